/** What becomes of many deletes of which a store refuses some. No server here can be made to, so that one in the test answers as S3 does. */
import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import { S3BucketRepository } from "../../../repositories/s3/bucket.ts";
import { makeClient } from "../../../repositories/s3/client.ts";

/** A store that holds some objects and refuses to delete some of them. */
function refusing(stack: AsyncDisposableStack, objects: Set<string>, refused: ReadonlyMap<string, string>) {
  const requests: number[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    assert.equal(`${request.method} ${new URL(request.url).search}`, "POST ?delete=");
    const names = [...(await request.text()).matchAll(/<Key>(.*?)<\/Key>/g)].map(([, name]) => name!);
    requests.push(names.length);
    const errors = names.flatMap((name) => {
      const code = refused.get(name);
      if (code === undefined) objects.delete(name);
      return code === undefined
        ? []
        : `<Error><Key>${name}</Key><Code>${code}</Code><Message>no, said the store</Message></Error>`;
    });
    return new Response(
      `<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
        errors.join("")
      }</DeleteResult>`,
      { headers: { "content-type": "application/xml" } },
    );
  });
  stack.defer(() => server.shutdown());
  const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
  const s3 = makeClient({ endpoint: `http://127.0.0.1:${server.addr.port}`, credentials, maxAttempts: 1 });
  stack.defer(() => s3.destroy());
  const books = new S3BucketRepository(s3, { bucket: "library", prefix: "books/", suffix: ".txt" });
  return { books, requests };
}

const keys = Array.from({ length: 1_100 }, (_, i) => `key-${i}`);
const named = (key: string): string => `books/${key}.txt`;

/** Deletes 1,100 keys of which some are refused; gives the error, and sees that all others are gone. */
async function deleted(refused: Readonly<Record<string, string>>): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const objects = new Set(keys.map(named));
  const { books, requests } = refusing(
    stack,
    objects,
    new Map(Object.entries(refused).map(([key, code]) => [named(key), code])),
  );
  const error = await books.deleteMany(keys).then(() => undefined, (error) => error);
  assert.deepEqual(requests, [1000, 100], "what is refused does not keep the others");
  assert.deepEqual([...objects], Object.keys(refused).map(named));
  if (error === undefined) return "";
  assert(isDatataskError(error));
  assert.equal(error.context.key, Object.keys(refused)[0]);
  return `${error.code}: ${error.message}`;
}

Deno.test("deleteMany() of a bucket removes the others when some are refused, and says which and how many", async () => {
  const allow = 'the store does not allow it; have s3:DeleteObject allowed for the bucket "library"';
  const of = (key: string) => `Cannot delete "${key}" of s3 library/books/*.txt`;
  assert.equal(await deleted({}), "");
  assert.equal(await deleted({ "key-7": "AccessDenied" }), `denied: ${of("key-7")}: ${allow}`);
  assert.equal(
    await deleted({ "key-7": "AccessDenied", "key-1001": "AccessDenied" }),
    `denied: ${of("key-7")}: ${allow}; 1 more of these 1100 keys was refused, the others are removed`,
  );
  assert.equal(
    await deleted({ "key-8": "InternalError", "key-9": "InternalError", "key-1002": "AccessDenied" }),
    `unavailable: ${
      of("key-8")
    }: no, said the store (500 InternalError); see that the service is up, and run again; 2 more of these 1100 keys were refused, the others are removed`,
  );
  assert.match(
    await deleted({ "key-3": "Strange" }),
    /^unavailable: Cannot delete "key-3" of .*: no, said the store \(500 Strange\); see that/,
  );
});
