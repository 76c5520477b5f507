import assert from "node:assert/strict";
import { describeError } from "../../../core/errors.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import type { S3BucketOptions } from "../../../repositories/s3/driver.ts";
import { createS3Client, type S3ClientOptions } from "../../../repositories/s3/client.ts";
import { classifyS3, explainS3 } from "../../../repositories/s3/errors.ts";
import { BUCKET, client, credentials, endpoint, place, s3Test } from "./server.ts";
import { FaultyProxy } from "./proxy.ts";
import { TlsFront } from "../../kit/tls_front.ts";

/** What a user is told when an operation fails. */
async function told(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("it did not fail"), (error) => error);
  return `${error.code}: ${error.message}`;
}

function books(
  stack: AsyncDisposableStack,
  settings: S3ClientOptions = {},
  options: Partial<S3BucketOptions> = {},
): S3BucketRepository {
  return new S3BucketRepository(client(stack, { maxAttempts: 2, ...settings }), {
    bucket: BUCKET,
    prefix: "books/",
    suffix: ".txt",
    ...options,
  });
}

const NAME = `s3 ${BUCKET}/books/*.txt`;

s3Test("S3BucketRepository says that a bucket is absent", async (stack) => {
  const bucket = `absent-${crypto.randomUUID()}`;
  const repository = books(stack, {}, { bucket, create: false });
  const state = `there is no bucket "${bucket}"; create it, or correct its name or the endpoint`;
  const name = `s3 ${bucket}/books/*.txt`;
  assert.equal(await told(repository.bytes("one")), `not-found: Cannot read "one" of ${name}: ${state}`);
  assert.equal(await told(repository.put("one", "x")), `not-found: Cannot write "one" of ${name}: ${state}`);
  assert.equal(await told(repository.has("one")), `not-found: Cannot look up "one" of ${name}: ${state}`);
  assert.equal(await told(Array.fromAsync(repository)), `not-found: Cannot list ${name}: ${state}`);
  assert.equal(await told(repository.prepare()), `not-found: Cannot prepare ${name}: ${state}`);
});

s3Test("S3BucketRepository says that a bucket cannot have such a name", async (stack) => {
  const repository = books(stack, {}, { bucket: "No_Bucket" });
  assert.equal(
    await told(repository.prepare()),
    'invalid-definition: Cannot prepare s3 No_Bucket/books/*.txt: "No_Bucket" is no valid name of a bucket; use 3 to 63 of a-z 0-9 . -',
  );
});

s3Test("S3BucketRepository says that an access key is unknown", async (stack) => {
  const repository = books(stack, { credentials: { accessKeyId: "nobody", secretAccessKey: "secret" } });
  const state =
    "the store does not know this access key; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and that the endpoint is the right one";
  assert.equal(await told(repository.text("one")), `denied: Cannot read "one" of ${NAME}: ${state}`);
  assert.equal(await told(repository.has("one")), `denied: Cannot look up "one" of ${NAME}: ${state}`);
  assert.equal(await told(repository.prepare()), `denied: Cannot prepare ${NAME}: ${state}`);
});

s3Test("S3BucketRepository says that a secret key is wrong", async (stack) => {
  const repository = books(stack, { credentials: { ...credentials, secretAccessKey: "wrong" } });
  const state =
    "the secret key does not fit the access key; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, for blanks at the ends as well";
  assert.equal(await told(repository.text("one")), `denied: Cannot read "one" of ${NAME}: ${state}`);
  // An answer to HEAD does not say why; absent is what it must not be taken for.
  assert.equal(await told(repository.has("one")), `denied: Cannot look up "one" of ${NAME}: ${state}`);
  assert.equal(await told(repository.info("one")), `denied: Cannot look up "one" of ${NAME}: ${state}`);
  assert.equal(await told(repository.delete("one")), `denied: Cannot delete "one" of ${NAME}: ${state}`);
  const error = await repository.text("one").catch((error) => error);
  assert.equal(describeError(error), `Cannot read "one" of ${NAME}: ${state} (SignatureDoesNotMatch)`);
});

s3Test("S3BucketRepository says what has to be allowed to whom it is denied", async (stack) => {
  await place(stack, client(stack));
  // Nobody in particular: requests without a signature.
  const anonymous = client(stack);
  anonymous.middlewareStack.add(
    (next) => (args) => {
      delete (args.request as { headers: Record<string, string> }).headers.authorization;
      return next(args);
    },
    { step: "finalizeRequest", priority: "low", name: "unsigned" },
  );
  const repository = new S3BucketRepository(anonymous, { bucket: BUCKET, prefix: "books/", suffix: ".txt" });
  assert.equal(
    await told(repository.put("one", "x")),
    `denied: Cannot write "one" of ${NAME}: the store does not allow it; have s3:PutObject and s3:AbortMultipartUpload allowed for the bucket "${BUCKET}"`,
  );
  assert.equal(
    await told(repository.has("one")),
    `denied: Cannot look up "one" of ${NAME}: the store does not allow it; have s3:GetObject (and s3:ListBucket, without which S3 answers so for what is absent, too) allowed for the bucket "${BUCKET}"`,
  );
  assert.equal(
    await told(Array.fromAsync(repository)),
    `denied: Cannot list ${NAME}: the store does not allow it; have s3:ListBucket allowed for the bucket "${BUCKET}"`,
  );
});

s3Test("S3BucketRepository says that nobody answers", async (stack) => {
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  const repository = books(stack, { endpoint: `http://127.0.0.1:${port}` });
  assert.equal(
    await told(repository.text("one")),
    `unavailable: Cannot read "one" of ${NAME}: connect ECONNREFUSED 127.0.0.1:${port}; see that the service is up, and run again (tried 2 times)`,
  );
});

s3Test(
  "S3BucketRepository says what to do about a certificate that is not trusted, and trusts it when told",
  async (stack) => {
    const front = stack.use(await TlsFront.start(endpoint));
    const s3 = client(stack);
    const prefix = await place(stack, s3);
    const doubtful = books(stack, { endpoint: front.url }, { prefix, suffix: "" });
    const text = await told(doubtful.put("one", "x"));
    assert.match(
      text,
      /^denied: Cannot write "one" of .*: the certificate of the store is not trusted \(.+\); give the certificate of its authority to s3Client\(\) as `ca`, or its file in NODE_EXTRA_CA_CERTS$/,
    );
    const trusting = books(stack, { endpoint: front.url, ca: front.ca }, { prefix, suffix: "" });
    await trusting.put("one", "over TLS");
    assert.equal(await trusting.text("one"), "over TLS");
  },
);

s3Test("S3BucketRepository says that a session is over, and that listing is not allowed", async (stack) => {
  const prefix = await place(stack, client(stack));
  const proxy = stack.use(new FaultyProxy(endpoint));
  const repository = books(stack, { endpoint: proxy.url }, { prefix, suffix: "" });
  proxy.fate = () => ({ refuse: [400, "ExpiredToken"] });
  const over =
    "the session of these credentials is over, or its token is wrong; log in again, or renew AWS_SESSION_TOKEN";
  assert.equal(
    await told(repository.text("one")),
    `denied: Cannot read "one" of ${repository.name}: ${over}`,
  );
  assert.equal(await told(Array.fromAsync(repository)), `denied: Cannot list ${repository.name}: ${over}`);
  proxy.fate = ({ query }) => /list-type/.test(query) ? { refuse: [403, "AccessDenied"] } : "pass";
  await repository.put("one", "x");
  assert.equal(await repository.text("one"), "x");
  const mayNot = `the store does not allow it; have s3:ListBucket allowed for the bucket "${BUCKET}"`;
  assert.equal(await told(Array.fromAsync(repository)), `denied: Cannot list ${repository.name}: ${mayNot}`);
});

Deno.test("S3BucketRepository says that what answers at its endpoint is no store", async () => {
  await using stack = new AsyncDisposableStack();
  let status = 200;
  let page = "<!DOCTYPE html><html><body>Welcome <br> to this web server</body></html>";
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ method }) =>
      new Response(method === "HEAD" ? null : page, { status, headers: { "Content-Type": "text/html" } }),
  );
  stack.defer(() => server.shutdown());
  const repository = books(stack, {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    credentials: { accessKeyId: "somebody", secretAccessKey: "something" },
    maxAttempts: 1,
  });
  const state = (said: string): string =>
    `what answers at the endpoint does not speak as S3 does (${said}); check the endpoint, its port, and the proxies on the way`;
  for (status of [200, 302, 404]) {
    const what = `${status}, text/html`;
    const code = "invalid-definition";
    assert.equal(await told(repository.prepare()), `${code}: Cannot prepare ${NAME}: ${state(what)}`);
    assert.equal(await told(Array.fromAsync(repository)), `${code}: Cannot list ${NAME}: ${state(what)}`);
    // A success that no store gives is none: nothing was read, written or deleted, and no key is there.
    const reading = `${code}: Cannot read "one" of ${NAME}: ${state(what)}`;
    assert.equal(await told(repository.text("one")), reading);
    assert.equal(await told(repository.find("one")), reading);
    assert.equal(await told(repository.open("one")), reading);
    assert.equal(await told(repository.open("one", { start: 1, end: 2 })), reading);
    assert.equal(await told(repository.open("one", { start: 1, end: 1 })), reading);
    const lookingUp = `${code}: Cannot look up "one" of ${NAME}: ${state(what)}`;
    assert.equal(await told(repository.has("one")), lookingUp);
    assert.equal(await told(repository.info("one")), lookingUp);
    const success = status === 200 ? "200" : what;
    assert.equal(
      await told(repository.put("one", "x")),
      `${code}: Cannot write "one" of ${NAME}: ${state(success)}`,
    );
    assert.equal(
      await told(repository.put("one", new Uint8Array(17 * 2 ** 20))),
      `${code}: Cannot write "one" of ${NAME}: ${state(what)}`,
    );
    assert.equal(
      await told(repository.delete("one")),
      `${code}: Cannot delete "one" of ${NAME}: ${state(success)}`,
    );
    assert.equal(
      await told(repository.deleteMany(["one"])),
      `${code}: Cannot delete ${NAME}: ${state(what)}`,
    );
  }
  // What is well formed, or empty, is no empty listing either.
  status = 200;
  for (page of ["<html><body>Welcome</body></html>", ""]) {
    assert.equal(
      await told(Array.fromAsync(repository)),
      `invalid-definition: Cannot list ${NAME}: ${state("200")}`,
    );
    assert.match(
      await told(repository.put("one", new Uint8Array(17 * 2 ** 20))),
      /does not speak as S3 does/,
    );
    assert.match(await told(repository.prepare()), /does not speak as S3 does/);
  }
  // A gate before a store that is away: that passes.
  status = 502;
  assert.equal(
    await told(repository.text("one")),
    `unavailable: Cannot read "one" of ${NAME}: the store answered 502; see that the service is up, and run again`,
  );
});

Deno.test("createS3Client() refuses an endpoint that is no address", () => {
  const of = (endpoint: string): string => {
    try {
      createS3Client({ endpoint });
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid-definition");
      return (error as Error).message;
    }
    assert.fail(`${endpoint} was taken`);
  };
  assert.equal(
    of("s3.example.org:9000"),
    'Cannot use "s3.example.org:9000" as the endpoint of s3Client(); give a whole address, like https://s3.example.org:9000',
  );
  assert.equal(
    of("ftp://s3.example.org"),
    'Cannot use "ftp://s3.example.org" as the endpoint of s3Client(); give a whole address, like https://s3.example.org',
  );
  assert.equal(
    of(""),
    "Cannot use an empty text as the endpoint of s3Client(); give an address like https://s3.example.org, or leave it out for AWS",
  );
});

Deno.test("createS3Client() refuses keys that are empty", () => {
  for (const credentials of [{ accessKeyId: "" }, { accessKeyId: undefined }]) {
    assert.throws(
      () =>
        createS3Client({ credentials: { secretAccessKey: "s", ...credentials as { accessKeyId: string } } }),
      {
        code: "invalid-definition",
        message:
          "Cannot use the credentials of s3Client(): accessKeyId is empty; see that the variable it comes from is set, or leave credentials out to have them looked up",
      },
    );
  }
  assert.throws(
    () => createS3Client({ credentials: { accessKeyId: "a", secretAccessKey: "" } }),
    /: secretAccessKey is empty;/,
  );
});

Deno.test("explainS3() knows what no server here can be made to say", () => {
  const doing = { operation: "read", key: "one", subject: "s3 b/*", bucket: "b" };
  const failure = (name: string, status: number, more: object = {}): Error =>
    Object.assign(new Error("UnknownError"), {
      name,
      Code: name,
      $metadata: { httpStatusCode: status },
      ...more,
    });
  const text = (error: Error): string => {
    const explained = explainS3(error, doing) as Error & { code: string };
    assert.equal(explained.code, classifyS3(error));
    return `${explained.code}: ${explained.message.replace('Cannot read "one" of s3 b/*: ', "")}`;
  };
  assert.equal(
    text(failure("ExpiredToken", 400)),
    "denied: the session of these credentials is over, or its token is wrong; log in again, or renew AWS_SESSION_TOKEN",
  );
  assert.equal(
    text(failure("CredentialsProviderError", 0)),
    "denied: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, or give credentials to s3Client()",
  );
  assert.equal(
    text(
      failure("PermanentRedirect", 301, {
        $response: { headers: { "x-amz-bucket-region": "eu-central-1" } },
      }),
    ),
    'invalid-definition: the bucket "b" is in another region; give region "eu-central-1" to s3Client()',
  );
  assert.equal(
    text(failure("RequestTimeTooSkewed", 403)),
    "denied: the clock of this machine differs too much from that of the store; set it",
  );
  assert.equal(
    text(failure("BucketAlreadyExists", 409)),
    'denied: the bucket "b" belongs to somebody else; choose another name',
  );
  assert.equal(
    text(failure("QuotaExceeded", 403)),
    "no-space: the quota of the bucket is used up; delete something, or have it raised",
  );
  assert.equal(
    text(failure("InternalError", 500)),
    "unavailable: the store answered 500 InternalError; see that the service is up, and run again",
  );
  assert.equal(
    text(Object.assign(new Error("received corrupt message"), { code: "ERR_SSL_WRONG_VERSION_NUMBER" })),
    "io: what answers at the endpoint does not speak TLS; write http:// before it if that is meant",
  );
  assert.equal(
    text(new Deno.errors.NotCapable('Requires sys access to "uid", run again with the --allow-sys flag')),
    'denied: Requires sys access to "uid", run again with the --allow-sys flag',
  );
  assert.equal(classifyS3(new Error("something else")), undefined);
  const odd = explainS3(failure("InvalidArgument", 400), doing) as Error;
  assert.equal(odd.message, "the store answered 400 InvalidArgument");
});
