/** Where keys come from when none are given: each place of the usual chain, before servers of this machine that stand for those who give them. */
import assert from "node:assert/strict";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { makeClient } from "../../../repositories/s3/client.ts";

const LISTING = `<?xml version="1.0"?>
<ListBucketResult><Name>library</Name><IsTruncated>false</IsTruncated>
<Contents><Key>one</Key><ETag>"1"</ETag><Size>1</Size></Contents></ListBucketResult>`;

/** A store that lets everybody list, and remembers who did. */
class Store implements AsyncDisposable {
  /** The access key and the token of each request. */
  readonly asked: (readonly [access: string | undefined, token: string | null])[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(give: (request: Request, path: string) => Response | Promise<Response> = () => new Response()) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith("/library")) {
        return await give(request, pathname);
      }
      const { headers } = request;
      this.asked.push([
        /Credential=([^/]+)/.exec(headers.get("authorization") ?? "")?.[1],
        headers.get("x-amz-security-token"),
      ]);
      return new Response(LISTING, { headers: { "Content-Type": "application/xml" } });
    });
  }

  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** The line of the page, and what it says to add for some place of the chain. */
async function flagsOf(place: string): Promise<string[]> {
  const page = await Deno.readTextFile(new URL("../../../docs/s3.md", import.meta.url));
  const [, line] = /^deno run (.*) script\.ts$/m.exec(page) ?? assert.fail("no line with permissions");
  const [, more] = new RegExp(`^\\| ${place} +\\| (.*?) +\\|`, "m").exec(page) ??
    assert.fail(`the page says nothing of ${place}`);
  const added = [...more!.matchAll(/`(--allow-[^`]+)`/g)].map(([, flag]) => flag!);
  // What is allowed without names takes the place of what has some.
  return [...line!.split(" ").filter((flag) => !added.includes(flag.split("=")[0]!)), ...added];
}

/** Lists in a process of its own, which has no keys but those that it finds, with the permissions of the page. */
async function list(
  store: Store,
  place: string,
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const home = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${home}/.aws`);
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${home}/${name}`, text);
    const module = new URL("../../../repositories/s3/mod.ts", import.meta.url);
    await Deno.writeTextFile(
      `${home}/script.ts`,
      `import { createS3Client, S3BucketRepository } from ${JSON.stringify(module.href)};
       const client = createS3Client({ endpoint: ${JSON.stringify(store.url)}, maxAttempts: 1 });
       try {
         console.log((await Array.fromAsync(new S3BucketRepository(client, { bucket: "library" }))).join());
       } catch (error) {
         console.log(error.code + ": " + error.message);
       }
       client.destroy();`,
    );
    const replaced = (text: string): string => text.replaceAll("$HOME", home).replaceAll("$HOST", store.host);
    const flags = (await flagsOf(place)).map((flag) =>
      replaced(flag.replace(/(--allow-net=)127\.0\.0\.1:9000.*/, `$1${store.host}`))
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", ...flags, `${home}/script.ts`],
      clearEnv: true,
      env: {
        HOME: home,
        ...(Deno.env.has("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {
          DENO_DIR: `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`,
        }),
        ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, replaced(value)])),
      },
    }).output();
    return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("keys come from the environment", async () => {
  await using store = new Store();
  const env = { AWS_ACCESS_KEY_ID: "from-env", AWS_SECRET_ACCESS_KEY: "s", AWS_SESSION_TOKEN: "token" };
  assert.equal(await list(store, "environment", env), "one");
  assert.deepEqual(store.asked, [["from-env", "token"]]);
});

Deno.test("keys come from a profile", async () => {
  await using store = new Store();
  const files = {
    ".aws/credentials":
      "[default]\naws_access_key_id = from-default\naws_secret_access_key = s\n\n[team]\naws_access_key_id = from-team\naws_secret_access_key = s\n",
  };
  assert.equal(await list(store, "profile", {}, files), "one");
  assert.equal(await list(store, "profile", { AWS_PROFILE: "team" }, files), "one");
  assert.deepEqual(store.asked, [["from-default", null], ["from-team", null]]);
});

Deno.test("keys come from a program that a profile names", async () => {
  await using store = new Store();
  const said = JSON.stringify({ Version: 1, AccessKeyId: "from-program", SecretAccessKey: "s" });
  const files = {
    "keys.json": said,
    ".aws/config": "[default]\ncredential_process = /bin/cat $HOME/keys.json\n",
  };
  assert.equal(await list(store, "program", {}, files), "one");
  assert.deepEqual(store.asked, [["from-program", null]]);
});

Deno.test("keys come for a web identity", async () => {
  let asked = "";
  await using store = new Store(async (request) => {
    asked = await request.text();
    return new Response(
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
       <Credentials><AccessKeyId>from-identity</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>token</SessionToken>
       <Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration></Credentials>
       </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      { headers: { "Content-Type": "text/xml" } },
    );
  });
  const env = {
    AWS_WEB_IDENTITY_TOKEN_FILE: "$HOME/token",
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/reader",
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_STS: "http://$HOST",
  };
  assert.equal(await list(store, "web identity", env, { token: "who I am" }), "one");
  assert.deepEqual(store.asked, [["from-identity", "token"]]);
  const form = new URLSearchParams(asked);
  assert.deepEqual(
    [form.get("Action"), form.get("WebIdentityToken"), form.get("RoleArn")],
    ["AssumeRoleWithWebIdentity", "who I am", env.AWS_ROLE_ARN],
  );
});

Deno.test("keys come from the container", async () => {
  const asked: unknown[] = [];
  await using store = new Store(({ headers }, path) => {
    asked.push([path, headers.get("authorization")]);
    return Response.json({
      AccessKeyId: "from-container",
      SecretAccessKey: "s",
      Token: "token",
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    });
  });
  const env = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://$HOST/keys",
    AWS_CONTAINER_AUTHORIZATION_TOKEN: "let me",
  };
  assert.equal(await list(store, "container", env), "one");
  assert.deepEqual(store.asked, [["from-container", "token"]]);
  assert.deepEqual(asked, [["/keys", "let me"]]);
});

Deno.test("keys come from the machine", async () => {
  await using store = new Store((request, path) => {
    if (request.method === "PUT") return new Response("session");
    if (request.headers.get("x-aws-ec2-metadata-token") !== "session") {
      return new Response(null, { status: 401 });
    }
    if (path.endsWith("/security-credentials/")) return new Response("reader");
    return Response.json({
      Code: "Success",
      AccessKeyId: "from-machine",
      SecretAccessKey: "s",
      Token: "token",
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    });
  });
  const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://$HOST" };
  assert.equal(await list(store, "machine", env), "one");
  assert.deepEqual(store.asked, [["from-machine", "token"]]);
});

Deno.test("it is said when keys are nowhere", async () => {
  await using store = new Store();
  assert.equal(
    await list(store, "profile", { AWS_EC2_METADATA_DISABLED: "true" }),
    "denied: Cannot list s3 library/*: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, or give credentials to s3Client()",
  );
  assert.deepEqual(store.asked, []);
});

Deno.test("a function that gives keys is asked anew when they are about to end", async () => {
  await using store = new Store();
  await using stack = new AsyncDisposableStack();
  let given = 0;
  const s3 = makeClient({
    endpoint: store.url,
    credentials: () =>
      Promise.resolve({
        accessKeyId: `key-${++given}`,
        secretAccessKey: "s",
        sessionToken: `token-${given}`,
        expiration: new Date(Date.now() + (given === 1 ? 1_000 : 3_600_000)),
      }),
  });
  stack.defer(() => s3.destroy());
  const books = new S3BucketRepository(s3, { bucket: "library" });
  for (let i = 0; i < 3; i++) assert.deepEqual(await Array.fromAsync(books), ["one"]);
  assert.deepEqual(store.asked.at(-1), ["key-2", "token-2"]);
  assert.equal(given, 2);
});
