import assert from "node:assert/strict";
import { checkKey, isKey, MAX_KEY_LENGTH } from "../../core/key.ts";

Deno.test("isKey takes what the rules allow", () => {
  for (
    const key of ["a", "Z", "0", "a.b", "a..b", "a_b-c", "1e5", "x".repeat(MAX_KEY_LENGTH), "constructor"]
  ) {
    assert(isKey(key), key);
  }
});

Deno.test("isKey refuses everything else", () => {
  const bad = [
    "",
    ".",
    "..",
    ".a",
    "a.",
    "-a",
    "a-",
    "_a",
    "a_",
    "a/b",
    "a\\b",
    "a b",
    "a\n",
    "ä",
    "a\0",
    "../a",
  ];
  for (const key of [...bad, "x".repeat(MAX_KEY_LENGTH + 1)]) assert(!isKey(key), JSON.stringify(key));
});

Deno.test("checkKey says which key of whom, and what would do", () => {
  assert.equal(checkKey("moby-dick", "read", "books"), "moby-dick");
  assert.throws(() => checkKey("../x", "delete", "books"), {
    code: "invalid-key",
    message: 'Cannot delete "../x" of books: not a valid key; ' +
      "use 1 to 128 of A-Z a-z 0-9 . _ - with a letter or digit at both ends",
  });
  assert.throws(() => checkKey(7 as unknown as string, "read", "books"), { code: "invalid-key" });
});
