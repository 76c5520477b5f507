/**
 * What must not compile of commands. Each `@ts-expect-error` is an assertion: when the line below it compiles, the check of this file fails.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Command, command } from "../../mod.ts";

Deno.test("the types of arguments and flags are those that were declared", () => {
  const commands: Command[] = [
    command("typed", {
      brief: "Be typed",
      args: [{ name: "A" }, { name: "B", optional: true }],
      flags: {
        loud: { kind: "boolean", brief: "Loud" },
        size: { kind: "number", brief: "Size" },
        tags: { kind: "list", brief: "Tags" },
        unit: { kind: "choice", values: ["m", "s"], brief: "Unit" },
      },
    }, ({ args: [a, b], flags: { loud, size, tags, unit } }) => {
      const first: string = a;
      // @ts-expect-error It may be left out.
      const second: string = b;
      const flag: boolean = loud;
      const number: number | undefined = size;
      const list: readonly string[] = tags;
      const choice: "m" | "s" | undefined = unit;
      assert.ok([first, second, flag, number, list, choice]);
    }),
    command(
      "rest",
      { brief: "Take all", args: [{ name: "A", many: true }] },
      ({ args: [a, ...rest], flags }) => {
        const first: string = a;
        const others: readonly string[] = rest;
        // @ts-expect-error There is no such flag.
        assert.ok([first, others, flags.loud]);
      },
    ),
    command("none", { brief: "Take nothing" }, ({ args }) => {
      // @ts-expect-error It takes none.
      assert.equal(args[0], undefined);
    }),
    // @ts-expect-error An exit code is a number.
    command("code", { brief: "Give a text" }, () => "0"),
    command("flags", {
      brief: "Have flags",
      flags: {
        // @ts-expect-error A choice needs values.
        unit: { kind: "choice", brief: "Unit" },
        // @ts-expect-error A boolean takes no value.
        loud: { kind: "boolean", brief: "Loud", placeholder: "N" },
      },
    }, () => {}),
  ];
  assert.equal(commands.length, 5);
});
