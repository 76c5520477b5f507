import assert from "node:assert/strict";
import {
  advice,
  classifySystemError,
  DatataskError,
  DefinitionError,
  describeError,
  isDatataskError,
  NotFoundError,
  RepositoryError,
} from "../../core/errors.ts";

Deno.test("isDatataskError knows the errors of any copy of the package", async () => {
  // The query makes it another module: what a second loaded copy is.
  const copy: typeof import("../../core/errors.ts") = await import(
    new URL("../../core/errors.ts?copy", import.meta.url).href
  );
  const foreign = new copy.NotFoundError("gone");
  assert(!(foreign instanceof DatataskError));
  assert(isDatataskError(foreign));
  assert(isDatataskError(foreign, "not-found"));
  assert(!isDatataskError(foreign, "io"));
  assert(!isDatataskError(new Error("x")));
  assert(!isDatataskError({ code: "io" }));
});

Deno.test("an error keeps its code, context and cause", () => {
  const cause = new Error("beneath");
  const error = new RepositoryError("io", "above", { operation: "read", key: "one", cause });
  assert.equal(error.name, "RepositoryError");
  assert.equal(error.code, "io");
  assert.equal(error.cause, cause);
  assert.deepEqual(error.context, { operation: "read", key: "one" });
  assert.equal(new NotFoundError("x").code, "not-found");
});

Deno.test("DefinitionError lists all faults", () => {
  assert.equal(new DefinitionError("one").message, "one");
  const error = new DefinitionError(["one", "two"]);
  assert.equal(error.message, "2 faults:\n- one\n- two");
  assert.deepEqual(error.faults, ["one", "two"]);
});

Deno.test("describeError tells what lies beneath, once", () => {
  const cause = new Error("disk full");
  assert.equal(describeError(new Error("cannot write", { cause })), "cannot write (disk full)");
  assert.equal(describeError(new Error("cannot write: disk full", { cause })), "cannot write: disk full");
  const chain = new Error("cannot write: no host", {
    cause: new Error("no host", { cause: new Error("dns") }),
  });
  assert.equal(describeError(chain), "cannot write: no host (dns)");
  const several = new AggregateError([cause, new Error("no host")]);
  assert.equal(describeError(new Error("cannot write", { cause: several })), "cannot write");
  assert.equal(describeError(several), "AggregateError");
  assert.equal(describeError("text"), "text");
  assert.equal(describeError(new TypeError()), "TypeError");
});

Deno.test("classifySystemError knows what the platform means", async () => {
  const caught = await Deno.readFile("/no/such/file").catch((error) => error);
  assert.equal(classifySystemError(caught), "not-found");
  assert.equal(classifySystemError(Object.assign(new Error(), { code: "ENOSPC" })), "no-space");
  assert.equal(classifySystemError(new Deno.errors.PermissionDenied()), "denied");
  assert.equal(classifySystemError(new Deno.errors.ConnectionRefused()), "unavailable");
  assert.equal(classifySystemError(Object.assign(new Error(), { code: "EIO" })), "io");
  assert.equal(classifySystemError(new Error("anything")), undefined);
  assert.equal(advice("no-space"), "; free some space, or put it elsewhere, and run again");
  assert.equal(advice("io"), "");
});

Deno.test("advice() is not given where the message names a flag", () => {
  assert.equal(advice("denied", "Permission denied (os error 13)"), "; check its owner and mode");
  assert.equal(advice("denied", "Requires read access, run again with the --allow-read flag"), "");
  assert.equal(advice("unavailable"), "; see that the service is up, and run again");
});

Deno.test("describeError comes to an end with an error that is its own cause, and with what has no words", () => {
  const [above, below] = [new Error("above"), new Error("below")];
  above.cause = below;
  below.cause = above;
  assert.equal(describeError(above), "above (below)");
  assert.equal(describeError(Object.create(null)), "an object without words");
  assert.equal(describeError(new Error("x", { cause: "text" })), "x (text)");
});
