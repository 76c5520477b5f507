/** A body that does what its input says. */
import type { BodyContext } from "../../../mod.ts";
import type { textLinks } from "./links.ts";

type Context = BodyContext<ReturnType<typeof textLinks>>;

/** How many bodies this process has run. */
let runs = 0;

const ACTS: Record<string, (context: Context, argument: string) => unknown> = {
  echo: ({ to }, argument) => to.write(argument),
  pid: ({ to }) => to.write(`${Deno.pid} ${++runs}`),
  throw: (_, argument) => {
    throw new RangeError(argument);
  },
  exit: (_, argument) => Deno.exit(Number(argument)),
  loop: ({ log }) => {
    log("looping");
    for (;;);
  },
  reject: () => {
    void Promise.reject(new Error("nobody waits for me"));
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  callback: () => {
    setTimeout(() => {
      throw new Error("thrown from a timer");
    });
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  hoard: () => {
    const all: unknown[] = [];
    for (;;) all.push(new Array(1e5).fill(all.length));
  },
  churn: ({ to }) => {
    for (const begun = performance.now(); performance.now() - begun < 50;);
    return to.write("churned");
  },
  buffers: async () => {
    const all: Uint8Array[] = [];
    for (;;) {
      all.push(new Uint8Array(16 << 20).fill(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
  nothing: () => {},
  read: async ({ to }, path) => await to.write(await Deno.readTextFile(path)),
  write: (_, path) => Deno.writeTextFile(path, "x"),
  net: async ({ to }, url) => await to.write(await (await fetch(url)).text()),
  env: async ({ to }, name) => await to.write(Deno.env.get(name) ?? "not set"),
  run: async ({ to }, program) =>
    await to.write(new TextDecoder().decode((await new Deno.Command(program).output()).stdout)),
  sys: async ({ to }) => await to.write(Deno.hostname()),
  import: async ({ to }, address) => await to.write(Object.keys(await import(address)).join()),
  lazy: async ({ to }) => await to.write((await import("./lazy.ts")).text),
  say: async ({ to, log }) => {
    log("by log", { a: 1 });
    console.log("by console");
    console.error("by error");
    // A thread has no standard output of its own.
    if (!("postMessage" in globalThis)) await Deno.stdout.write(new TextEncoder().encode("without an end"));
    await to.write("said");
  },
  forget: ({ to }) => {
    // Not waited for, and yet it must be there in the end.
    void to.write("forgotten");
  },
  late: ({ to }) => {
    setTimeout(() => void to.write("too late"), 20);
  },
  wait: async ({ to, signal, log }) => {
    log("waiting");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    log(`told: ${signal.reason.why}`);
    await to.write("after the end").catch(() => {});
  },
  clean: async ({ to }) => await to.write([...Object.keys(Deno.env.toObject())].sort().join()),
};

export default async function (context: Context): Promise<void> {
  const text = await context.from.text();
  const [act = "", ...rest] = text.split(" ");
  await ACTS[act]!(context, rest.join(" "));
}
