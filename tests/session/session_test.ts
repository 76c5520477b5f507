import assert from "node:assert/strict";
import { DatataskError, DefinitionError, SessionError } from "../../core/errors.ts";
import type { Resource } from "../../session/resource.ts";
import { Session } from "../../session/session.ts";

/** Declares a resource that writes down when it opens and closes. */
function noted(
  session: Session,
  log: string[],
  name: string,
  needs: (Resource | string)[] = [],
  until?: Promise<void>,
): Resource<string> {
  return session.resource(name, async (stack) => {
    log.push(`start ${name}`);
    await until;
    stack.defer(() => void log.push(`close ${name}`));
    log.push(`open ${name}`);
    return name.toUpperCase();
  }, { needs });
}

const coded = (code: string, message: string) => (error: unknown): boolean => {
  assert(error instanceof DatataskError);
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
};

Deno.test("Session gives resources while it is open, and says what to do when it is not", async () => {
  const session = new Session();
  const log: string[] = [];
  const a = noted(session, log, "a");
  const closed = coded(
    "session-closed",
    'Cannot use resource "a": its session is not open; use it between session.open() and session.close()',
  );
  assert.throws(() => a(), closed);
  await session.open();
  assert.equal(a(), "A");
  assert.equal(a.resourceName, "a");
  assert.equal(session.isOpen, true);
  await session.close();
  assert.equal(session.isOpen, false);
  assert.throws(() => a(), closed);
  assert.throws(() => a(), SessionError);
});

Deno.test("Session opens independent resources side by side, and closes in the opposite order of their opening", async () => {
  const session = new Session();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  noted(session, log, "slow", [], gate.promise);
  session.resource("quick", (stack) => {
    stack.defer(() => void log.push("close quick"));
    log.push("open quick");
    gate.resolve();
  });
  await session.open();
  await session.close();
  assert.deepEqual(log, ["start slow", "open quick", "open slow", "close slow", "close quick"]);
});

Deno.test("Session opens what a resource needs before it, declared in any order", async () => {
  const session = new Session();
  const log: string[] = [];
  session.resource("table", (stack, _signal, use) => {
    log.push(`table over ${use(database)}`);
    stack.defer(() => void log.push(`close table over ${database()}`));
  }, { needs: ["database"] });
  const database = noted(session, log, "database");
  noted(session, log, "top", [database, "table"]);
  await session.open();
  await session.close();
  assert.deepEqual(log, [
    "start database",
    "open database",
    "table over DATABASE",
    "start top",
    "open top",
    "close top",
    "close table over DATABASE",
    "close database",
  ]);
});

Deno.test("Session refuses to open what needs itself or what is not declared", async () => {
  const session = new Session();
  session.resource("a", () => 1, { needs: ["b"] });
  session.resource("b", () => 2, { needs: ["a", "c"] });
  await assert.rejects(session.open(), (error: unknown) => {
    assert(error instanceof DefinitionError);
    assert.deepEqual(error.faults, [
      'Cannot open resource "b": it needs "c", which is not declared in this session; declare it',
      'Cannot open resource "a": it needs itself ("a" -> "b" -> "a"); break the cycle',
    ]);
    return true;
  });
});

Deno.test("Session refuses a name twice, a late declaration and a need of another session", async () => {
  const session = new Session();
  session.resource("a", () => 1);
  assert.throws(
    () => session.resource("a", () => 2),
    coded(
      "invalid-definition",
      'Cannot declare resource "a": this session has one of that name; choose another name',
    ),
  );
  const other = new Session().resource("b", () => 1);
  assert.throws(
    () => session.resource("c", () => 2, { needs: [other] }),
    coded(
      "invalid-definition",
      'Cannot declare resource "c": it needs "b", which belongs to another session; declare both in one',
    ),
  );
  await using _open = await session.open();
  assert.throws(
    () => session.resource("d", () => 2),
    coded(
      "invalid-definition",
      'Cannot declare resource "d": the session is open already; declare it before the session opens',
    ),
  );
});

Deno.test("Session refuses to give an opener what it did not declare", async () => {
  const session = new Session();
  const a = session.resource("a", () => 1);
  session.resource("b", (_stack, _signal, use) => use(a));
  await assert.rejects(
    session.open(),
    coded(
      "resource-failed",
      'Cannot open the session: resource "b" did not open: Cannot use resource "a" to open "b": it may not be open yet; declare it under "needs" of "b"',
    ),
  );
});

Deno.test("Session closes everything again when one fails to open, starts nothing more, and can be opened anew", async () => {
  const session = new Session();
  const log: string[] = [];
  let broken = true;
  const a = noted(session, log, "a");
  const failing = session.resource("failing", (stack) => {
    stack.defer(() => void log.push("close failing"));
    if (broken) throw new Error("no route to host");
  }, { needs: [a] });
  noted(session, log, "later", [failing]);
  await assert.rejects(
    session.open(),
    coded(
      "resource-failed",
      'Cannot open the session: resource "failing" did not open: no route to host',
    ),
  );
  assert.deepEqual(log, ["start a", "open a", "close failing", "close a"]);
  await session.close();
  assert.equal(log.length, 4);
  assert.throws(() => a(), SessionError);

  broken = false;
  log.length = 0;
  await session.open();
  await session.close();
  assert.deepEqual(log, [
    "start a",
    "open a",
    "start later",
    "open later",
    "close later",
    "close failing",
    "close a",
  ]);
});

Deno.test("Session calls off the opening of others when one fails, and waits until they are closed", async () => {
  const session = new Session();
  const log: string[] = [];
  session.resource("waiting", async (stack, signal) => {
    stack.defer(() => void log.push("close waiting"));
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  session.resource("stubborn", async (stack, signal) => {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    stack.defer(() => void log.push("close stubborn"));
  });
  session.resource("failing", () => Promise.reject(new Error("refused")));
  await assert.rejects(session.open(), /"failing" did not open: refused$/);
  assert.deepEqual(log, ["close waiting", "close stubborn"]);
});

Deno.test("Session opened by who is tolerant has all that opens, and is refused to who is not", async () => {
  const session = new Session();
  const log: string[] = [];
  const a = noted(session, log, "a");
  const broken = session.resource("broken", () => Promise.reject(new Error("nobody answers")));
  const above = session.resource("above", (_stack, _signal, use) => use(broken), { needs: [broken] });
  await session.open({ tolerant: true });
  assert.equal(a(), "A");
  const why =
    'Cannot use resource "broken": it did not open: nobody answers; put that right and open the session again';
  assert.throws(() => broken(), coded("resource-failed", why));
  // What to do is said once.
  assert.throws(
    () => above(),
    coded("resource-failed", `Cannot use resource "above": it did not open: ${why}`),
  );
  await assert.rejects(
    session.open(),
    /^SessionError: Cannot open the session: resource "broken" did not open: nobody answers/,
  );
  // Who was refused has nothing open, and who was not still has.
  assert.equal(a(), "A");
  await session.close();
  assert.deepEqual(log, ["start a", "open a", "close a"]);
  await assert.rejects(session.open(), /nobody answers/);
});

Deno.test("Session says what to do about a resource once, where its own error says it", async () => {
  const session = new Session();
  const down = "Cannot connect to the library; see that it is up, and run again";
  const library = session.resource("library", () => Promise.reject(new DatataskError("unavailable", down)));
  await using _open = await session.open({ tolerant: true });
  assert.throws(
    () => library(),
    coded("resource-failed", `Cannot use resource "library": it did not open: ${down}`),
  );
});

Deno.test("Session opens without an optional resource, and using that says why", async () => {
  const session = new Session();
  const cause = new Error("connection refused");
  const optional = session.resource("cache", () => Promise.reject(cause), { optional: true });
  const a = session.resource("a", () => 1, { needs: [optional] });
  await using _open = await session.open();
  assert.equal(a(), 1);
  assert.throws(
    () => optional(),
    coded(
      "resource-failed",
      'Cannot use resource "cache": it did not open: connection refused; put that right and open the session again',
    ),
  );
  assert.throws(() => optional(), (error: unknown) => (error as Error).cause === cause);
});

Deno.test("Session closes all although some fail to close, and tells of each", async () => {
  const session = new Session();
  const log: string[] = [];
  const first = noted(session, log, "first");
  const bad = session.resource("bad", (stack) => {
    stack.defer(() => Promise.reject(new Error("one")));
    stack.defer(() => void log.push("still closed"));
  }, { needs: [first] });
  session.resource("worse", (stack) => stack.defer(() => Promise.reject(new Error("two"))), { needs: [bad] });
  await session.open();
  await assert.rejects(session.close(), (error: unknown) => {
    assert(error instanceof SessionError);
    assert.equal(error.code, "resource-failed");
    assert.equal(
      error.message,
      'Cannot close "worse": two; "bad": one; see that nothing of it is left behind',
    );
    assert.deepEqual((error.cause as AggregateError).errors.map((each) => each.message), ["two", "one"]);
    return true;
  });
  assert.deepEqual(log, ["start first", "open first", "still closed", "close first"]);
  assert.equal(session.isOpen, false);
});

Deno.test("Session tells both errors when one fails to open and to close what it had opened", async () => {
  const session = new Session();
  session.resource("bad", (stack) => {
    stack.defer(() => Promise.reject(new Error("cannot close")));
    throw new Error("cannot open");
  });
  await assert.rejects(session.open(), (error: unknown) => {
    assert.match((error as Error).message, /"bad" did not open: cannot open$/);
    const both = (error as Error).cause as SuppressedError;
    assert.deepEqual([both.error.message, both.suppressed.message], ["cannot close", "cannot open"]);
    return true;
  });
});

Deno.test("Session opened twice opens once, and closes with the last", async () => {
  const session = new Session();
  const log: string[] = [];
  noted(session, log, "a");
  await Promise.all([session.open(), session.open()]);
  await session.close();
  assert.deepEqual(log, ["start a", "open a"]);
  await Promise.all([session.close(), session.close()]);
  assert.deepEqual(log, ["start a", "open a", "close a"]);
  await session.close();
  assert.equal(log.length, 3);
});

Deno.test("Session opened while it closes waits, and opens anew", async () => {
  const session = new Session();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  session.resource("a", (stack) => {
    log.push("open");
    stack.defer(async () => {
      await gate.promise;
      log.push("close");
    });
  });
  await session.open();
  const closed = session.close();
  const opened = session.open();
  gate.resolve();
  await Promise.all([closed, opened]);
  assert.deepEqual(log, ["open", "close", "open"]);
  await session.close();
});

Deno.test("Session stops opening when nobody waits for it any more, and leaves nothing open", async () => {
  const session = new Session();
  const log: string[] = [];
  noted(session, log, "a");
  session.resource("endless", (_stack, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }));
  const first = new AbortController();
  const second = new AbortController();
  const opens = [session.open(first), session.open(second)];
  const reason = new Error("enough");
  first.abort(reason);
  await assert.rejects(opens[0]!, (error) => error === reason);
  assert.deepEqual(log, ["start a", "open a"]);
  second.abort(reason);
  await assert.rejects(opens[1]!, (error) => error === reason);
  assert.deepEqual(log, ["start a", "open a", "close a"]);
  await assert.rejects(session.open({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
});

Deno.test("Session closed while it opens says so to who waits", async () => {
  const session = new Session();
  session.resource("endless", (_stack, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }));
  const opened = session.open();
  const refused = assert.rejects(
    opened,
    coded("session-closed", "Cannot open the session: it was closed while it opened"),
  );
  await session.close();
  await refused;
});

Deno.test("Session: a resource cannot be used before it is open, nor while it closes", async () => {
  const session = new Session();
  const texts: string[] = [];
  const gate = Promise.withResolvers<void>();
  const note = (call: () => unknown): void => {
    try {
      call();
    } catch (error) {
      texts.push((error as Error).message);
    }
  };
  const late: Resource = session.resource("late", async () => {
    await gate.promise;
  });
  session.resource("early", (stack) => {
    note(late);
    stack.defer(() => note(late));
    gate.resolve();
  });
  await session.open();
  await session.close();
  assert.deepEqual(texts, [
    'Cannot use resource "late": it is not open yet; declare it under "needs" of what uses it',
    'Cannot use resource "late": its session is closed; use it between session.open() and session.close()',
  ]);
});
