import assert from "node:assert/strict";
import { systemFiles } from "../../core/files.ts";

Deno.test("systemFiles does what its names say, and fails by rejecting", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/a`;
    await systemFiles.writeNew(path, new Uint8Array([1, 2]));
    await assert.rejects(systemFiles.writeNew(path, new Uint8Array()), Deno.errors.AlreadyExists);
    assert.deepEqual(await systemFiles.readSmall(path), new Uint8Array([1, 2]));
    assert.deepEqual(await systemFiles.readFile(path), new Uint8Array([1, 2]));
    await systemFiles.touch(path, 1_000_000_123);
    assert.equal((await systemFiles.stat(path)).mtime!.getTime(), 1_000_000_123);
    await systemFiles.link(path, `${dir}/b`);
    await assert.rejects(systemFiles.link(path, `${dir}/b`), Deno.errors.AlreadyExists);
    await systemFiles.symlink("a", `${dir}/c`);
    assert.equal(await systemFiles.readLink(`${dir}/c`), "a");
    assert((await systemFiles.lstat(`${dir}/c`)).isSymlink);
    await systemFiles.chmod(path, 0o600);
    assert.equal((await systemFiles.stat(path)).mode! & 0o777, 0o600);
    await systemFiles.mkdir(`${dir}/d/e`, { recursive: true });
    await systemFiles.rename(path, `${dir}/d/a`);
    assert.deepEqual([...await systemFiles.readDir(dir)].map(({ name }) => name).sort(), ["b", "c", "d"]);
    await systemFiles.remove(`${dir}/d`, { recursive: true });
    await assert.rejects(systemFiles.remove(`${dir}/d`), Deno.errors.NotFound);
    await assert.rejects(systemFiles.stat(`${dir}/d`), Deno.errors.NotFound);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
