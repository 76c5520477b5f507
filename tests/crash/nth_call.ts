/**
 * Loaded before a program: makes its n-th call to the operating system fail, or kills it there. Nothing of the program knows of it.
 *
 * `DATATASK_CALL=N` counts; `DATATASK_CALL_FAULT=EIO` fails that call, `EIO+` every call from it on, `KILL` kills the process. What was
 * struck goes to the file `DATATASK_CALL_LOG`; when nothing was, there is none.
 *
 * `deno run --preload nth_call.ts program.ts`
 */
import { type FaultKind, systemFault } from "../../testing/faulty_files.ts";

const env = (name: string): string => Deno.env.get(`DATATASK_CALL${name}`) ?? "";
const at = Number(env(""));
const fault = env("_FAULT");
const lasting = fault.endsWith("+");
const log = env("_LOG");
const { writeTextFileSync, kill, pid } = Deno;
let calls = 0;
let struck = false;

/** Counts a call, and fails, or does not come back. */
function count(name: string, what: unknown): void {
  calls++;
  if (lasting ? calls < at : calls !== at) return;
  if (!struck) writeTextFileSync(log, `${name} ${String(what)}\n`);
  struck = true;
  if (fault === "KILL") kill(pid, "SIGKILL");
  throw systemFault(fault.replace("+", "") as FaultKind);
}

// deno-lint-ignore no-explicit-any
type Call = (this: any, ...args: any[]) => any;

/** Counts the calls of a method. */
function patch(owner: object, name: string, shown: string): void {
  const original = Reflect.get(owner, name) as Call;
  const later = !name.endsWith("Sync");
  const counted: Call = later && name !== "readDir" && name !== "watchFs" && name !== "spawn"
    ? async function (...args) {
      count(shown, args[0]);
      return await original.apply(this, args);
    }
    : function (...args) {
      if (name !== "readDir") count(shown, args[0]);
      const result = original.apply(this, args);
      return name === "readDir" ? counting(result, args[0]) : result;
    };
  Reflect.defineProperty(owner, name, { value: counted, writable: true, configurable: true });
}

async function* counting(
  entries: AsyncIterable<Deno.DirEntry>,
  path: unknown,
): AsyncGenerator<Deno.DirEntry> {
  count("readDir", path);
  yield* entries;
}

const NAMES = [
  "chmod",
  "copyFile",
  "link",
  "lstat",
  "mkdir",
  "open",
  "readDir",
  "readFile",
  "readLink",
  "readTextFile",
  "realPath",
  "remove",
  "rename",
  "stat",
  "symlink",
  "truncate",
  "utime",
  "writeFile",
  "writeTextFile",
];
for (const name of NAMES) for (const end of ["", "Sync"]) patch(Deno, `${name}${end}`, `${name}${end}`);
patch(Deno, "watchFs", "watchFs");
for (
  const name of ["lock", "read", "seek", "stat", "sync", "syncData", "truncate", "tryLock", "utime", "write"]
) {
  for (const end of ["", "Sync"]) {
    if (`${name}${end}` in Deno.FsFile.prototype) {
      patch(Deno.FsFile.prototype, `${name}${end}`, `file.${name}`);
    }
  }
}
// The streams of a file go past its methods.
Reflect.defineProperty(Deno.FsFile.prototype, "readable", {
  get(this: Deno.FsFile) {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const buffer = new Uint8Array(2 ** 16);
        const n = await this.read(buffer).catch((error) => {
          this.close();
          throw error;
        });
        if (n !== null) return controller.enqueue(buffer.subarray(0, n));
        this.close();
        controller.close();
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
  },
});
Reflect.defineProperty(Deno.FsFile.prototype, "writable", {
  get(this: Deno.FsFile) {
    return new WritableStream<Uint8Array>({
      write: async (chunk) => {
        for (let n = 0; n < chunk.length;) n += await this.write(chunk.subarray(n));
      },
      close: () => this.close(),
      abort: () => this.close(),
    });
  },
});
for (const name of ["output", "spawn"]) patch(Deno.Command.prototype, name, name);
