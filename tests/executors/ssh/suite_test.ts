import type { SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { available, busybox, Place } from "./server.ts";

function suite(name: string, options: Partial<SshExecutorOptions>, there: boolean): void {
  const places = new WeakMap<object, Place>();
  testExecutor(name, {
    make(stack) {
      const place = new Place(stack);
      const executor = place.executor(options);
      places.set(executor, place);
      return { executor, state: place.state, leftovers: () => place.leftovers() };
    },
    big: Number(Deno.env.get("DATATASK_BIG") ?? 5_000_000),
    reopen: (first) => places.get(first.executor)!.executor(options),
    test: (label, fn, ignored) => Deno.test({ name: label, fn, ignore: !there || ignored !== undefined }),
  });
}

suite("sshExecutor()", { sharesFiles: true }, available);
suite("sshExecutor() with bash", { shell: "/bin/bash", sharesFiles: true }, available);
suite(
  "sshExecutor() with busybox",
  { shell: `${busybox} sh`, sharesFiles: true },
  available && busybox !== "",
);
