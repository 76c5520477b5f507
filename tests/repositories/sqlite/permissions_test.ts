import assert from "node:assert/strict";

Deno.test("SqliteMetadataRepository works with the permissions that its page says", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/sqlite.md", import.meta.url));
  const [, line] = /^deno run (.*) script\.ts$/m.exec(page) ??
    assert.fail("the page has no line with permissions");
  const module = new URL("../../../repositories/sqlite/mod.ts", import.meta.url);
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${dir}/script.ts`,
      `import { SqliteBlobRepository, SqliteMetadataRepository } from ${JSON.stringify(module.href)};
       using books = new SqliteMetadataRepository("library.db");
       using covers = new SqliteBlobRepository("library.db");
       await books.prepare();
       await books.set("moby-dick", { pages: 635 }, { ifAbsent: true });
       await covers.put("moby-dick", "a whale");
       console.log(JSON.stringify(await books.get("moby-dick")), await covers.text("moby-dick"));`,
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-config", ...line!.split(" "), "script.ts"],
      cwd: dir,
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stderr));
    assert.equal(text.decode(stdout), '{"pages":635} a whale\n');
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
