import assert from "node:assert/strict";
import { client, credentials, endpoint, place, s3Test } from "./server.ts";

/** The flags that a page of the documentation gives for a script. */
async function flagsOf(page: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(`../../../docs/${page}`, import.meta.url));
  const [, line] = /^deno run (.*) script\.ts$/m.exec(text) ??
    assert.fail(`${page} has no line with permissions`);
  return line!.split(" ");
}

s3Test("S3BucketRepository works with the permissions that its page says", async (stack) => {
  const prefix = await place(stack, client(stack));
  const { host } = new URL(endpoint);
  const flags = (await flagsOf("s3.md")).map((flag) => flag.replace("127.0.0.1:9000", host));
  assert(flags.includes(`--allow-net=${host}`));
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const module = new URL("../../../repositories/s3/mod.ts", import.meta.url);
  await Deno.writeTextFile(
    `${dir}/script.ts`,
    `import { createS3Client, S3BucketRepository } from ${JSON.stringify(module.href)};
     const client = createS3Client({ endpoint: ${JSON.stringify(endpoint)} });
     const books = new S3BucketRepository(client, { bucket: "datatask-tests", prefix: ${
      JSON.stringify(prefix)
    } });
     await books.prepare();
     await books.put("small", "text", { ifAbsent: true });
     const chunk = new Uint8Array(2 ** 20);
     await books.put("large", new ReadableStream({ start(c) { for (let i = 0; i < 9; i++) c.enqueue(chunk); c.close(); } }));
     await books.deleteMany(["absent"]);
     console.log(await books.text("small"), (await books.bytes("large")).length, (await Array.fromAsync(books)).join());
     client.destroy();`,
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...flags, `${dir}/script.ts`],
    env: { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey },
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  assert.equal(text.decode(stdout), `text ${9 * 2 ** 20} large,small\n`);
});
