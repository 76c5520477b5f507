/** A process that writes large values and says how far it is, to be killed: `killed_writer.ts <store> <folder> <mode>`. */
import type { Bytes } from "../../core/bytes.ts";
import { directoryDriver } from "../../repositories/directory.ts";
import { fileDriver } from "../../repositories/files.ts";
import { packed } from "../../repositories/layers/packed.ts";
import { openSqliteBlobs } from "../../repositories/sqlite/blob.ts";
import type { BlobDriver, FilesystemDriver, TreeEntry } from "../../repositories/driver.ts";

/** How large a value is, in bytes, and the pieces that it comes in. */
export const SIZE = 2 ** 20;
const PIECE = 2 ** 16;

/** A store that is written to. */
export interface KilledStore extends Disposable {
  readonly driver: BlobDriver | FilesystemDriver;
  /** Writes a value: bytes of a number, modulo 256. `half` is waited for in its midst. */
  write(key: string, fill: number, half: () => Promise<void>): Promise<void>;
}

/** How a store is opened in a folder. */
export const STORES: Readonly<Record<string, (folder: string) => KilledStore>> = {
  files: (folder) => blobs(fileDriver(folder)),
  "files with fsync": (folder) => blobs(fileDriver(folder, { durability: "fsync" })),
  directories: (folder) => trees(directoryDriver(folder)),
  archives: (folder) => trees(packed()(fileDriver(folder))),
  sqlite: (folder) => {
    const { driver, close } = openSqliteBlobs(`${folder}/values.db`);
    return blobs(driver, close);
  },
};

function content(fill: number, half: () => Promise<void>): ReadableStream<Bytes> {
  return ReadableStream.from((async function* () {
    for (let at = 0; at < SIZE; at += PIECE) {
      if (at === SIZE / 2) await half();
      yield new Uint8Array(PIECE).fill(fill);
    }
  })());
}

function blobs(driver: BlobDriver, close = (): void => {}): KilledStore {
  return {
    driver,
    write: (key, fill, half) => driver.write(key, content(fill, half)),
    [Symbol.dispose]: close,
  };
}

function trees(driver: FilesystemDriver): KilledStore {
  const file = (path: string, fill: number, half: () => Promise<void>): TreeEntry => ({
    kind: "file",
    path,
    mode: 0o644,
    size: SIZE,
    open: () => Promise.resolve(content(fill, half)),
  });
  return {
    driver,
    write: (key, fill, half) =>
      driver.write(
        key,
        (async function* () {
          yield file("a", fill, () => Promise.resolve());
          yield file("b", fill, half);
        })(),
      ),
    [Symbol.dispose]() {},
  };
}

/** Says a line, whole. */
function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  const [name, folder, mode] = Deno.args as [string, string, string];
  using store = STORES[name]!(folder);
  await store.driver.prepare?.();
  for (let fill = 1;; fill++) {
    const key = `k${fill % 3}`;
    await store.write(key, fill, async () => {
      if (mode !== "stop" || fill < 4) return;
      // In the midst of a value that replaces another: whoever hears of it kills this process.
      say("half");
      await Deno.stdin.read(new Uint8Array(1));
    });
    say(`done ${key} ${fill}`);
  }
}
