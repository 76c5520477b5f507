import assert from "node:assert/strict";
import { workerFault } from "../../tasks/worker_fault.ts";
import type { WorkerJob } from "../../tasks/worker_shell.ts";
import { endOf, MACHINES, Worker } from "./worker_kit.ts";
import { WorkerServer } from "./worker_server.ts";
import { until } from "../kit/waiting.ts";

/** Registers a test for every machine. */
function each(name: string, body: (worker: Worker, server: WorkerServer) => Promise<void>): void {
  for (const machine of MACHINES) {
    Deno.test(`the shell of a worker ${name} (${machine.name})`, async () => {
      await using server = new WorkerServer();
      await using worker = new Worker(machine);
      await body(worker, server);
    });
  }
}

const streaming = (worker: Worker, name: string, cokeyed: Record<string, boolean> = {}) => ({
  name,
  path: `${worker.folder}/many/${name}`,
  tree: false,
  cokeyed,
});

each("ends the script, and says why, when it cannot say that no more will come", async (worker, server) => {
  server.feeds.set("pages", { keys: [], over: true });
  const pages = streaming(worker, "pages");
  // Where the end is told of there is something else.
  Deno.mkdirSync(`${pages.path}.end`, { recursive: true });
  const { stderr } = await worker.run(server, { feeds: [pages], script: "exec sleep 60" });
  const fault = workerFault(stderr, "m4rk");
  assert.equal(fault?.own, false, stderr);
  assert.match(fault.message, /cannot end input pages: it cannot be written to .*pages\.end/);
});

each(
  "brings items as they come, each whole and once, with what goes with it, to a marked end",
  async (worker, server) => {
    const feed = { keys: ["a", "b.2"], over: false };
    server.feeds.set("pages", feed);
    server.put("pages/a", "first");
    server.put("pages.notes/a", "note");
    server.put("pages/b.2", "second");
    server.put("pages/late", "x".repeat(100_000));
    server.faults.set("GET /in/pages/late", [{ cut: 5000 }]);
    const running = worker.run(server, {
      feeds: [streaming(worker, "pages", { notes: false })],
      script: `cd '${worker.folder}/many/pages'
while [ ! -e a ] || [ ! -e b.2 ]; do sleep 0.05; done
cat a ../pages.notes/a b.2; rm a
while [ ! -e '${worker.folder}/many/pages.end' ]; do sleep 0.05; done
wc -c <late; [ ! -e a ] && [ -z "$(ls -A | grep '^[.]')" ]`,
    });
    await until("the first have come", () => server.requests.includes("GET /in/pages/b.2"));
    feed.keys.push("late");
    server.wake();
    await until("the last has come", () => server.requests.includes("GET /in/pages/late"));
    feed.over = true;
    server.wake();
    const ended = await running;
    assert.deepEqual(
      [ended.code, ended.stdout.replaceAll(" ", "")],
      [0, "firstnotesecond100000\n"],
      ended.stderr,
    );
    assert.equal(server.requests.filter((request) => request === "GET /in/pages/a").length, 1);
  },
);

each(
  "publishes what is finished at once, and the rest at the end, whatever it is called",
  async (worker, server) => {
    const pages = streaming(worker, "pages", { notes: false });
    const names = ['it\'s "one"', "-n", "ünï ☃", "a%2Fb", "$HOME `id`"];
    const running = worker.run(server, {
      items: [pages],
      script: `cd '${pages.path}'
${
        names.map((name, i) => {
          const quoted = `'${name.replaceAll("'", `'\\''`)}'`;
          return `printf note${i} >../pages.notes/${quoted}\nprintf ${i} >.hidden; mv .hidden ./${quoted}`;
        }).join("\n")
      }
touch .part
until [ -e '${worker.dir}/go' ]; do sleep 0.05; done
printf last >"$(printf 'z z')"`,
    });
    await until(
      "all that was finished is published",
      () => names.every((name) => server.sent.has(`pages/${name}`)),
    );
    Deno.writeTextFileSync(`${worker.dir}/go`, "");
    const ended = await running;
    assert.equal(ended.code, 0, ended.stderr);
    names.forEach((name, i) => {
      assert.equal(server.text(`pages/${name}`), String(i));
      assert.equal(server.text(`pages.notes/${name}`), `note${i}`);
    });
    assert.equal(server.text("pages/z z"), "last");
    assert(
      ![...server.sent.keys()].some((name) => name.includes("/.")),
      "names with a dot are private",
    );
    const puts = server.requests.filter((request) => request.startsWith("PUT"));
    assert.equal(new Set(puts).size, puts.length, "an item was sent twice");
  },
);

each(
  "publishes an item again that has changed, and nothing more of a script that fails",
  async (worker, server) => {
    const pages = streaming(worker, "pages");
    const script = (end: string) =>
      `cd '${pages.path}'
printf old >one
until [ -e '${worker.dir}/go' ]; do sleep 0.05; done
printf new >one; ${end}`;
    const running = worker.run(server, { items: [pages], script: script("exit 0") });
    await until("it is published", () => server.sent.has("pages/one"));
    Deno.writeTextFileSync(`${worker.dir}/go`, "");
    assert.equal((await running).code, 0);
    assert.equal(server.text("pages/one"), "new");
    server.sent.clear();
    const folder = `${worker.folder}-2`;
    const failed = await worker.run(server, {
      folder,
      items: [{ ...pages, path: `${folder}/pages` }],
      script: `printf half >'${folder}/pages/two'; exit 4`,
    });
    assert.deepEqual([failed.code, server.sent.size], [4, 0]);
  },
);

each("gives datatask to the script", async (worker, server) => {
  server.put("any/k.1", new Uint8Array([0, 255, 10]));
  const pages = streaming(worker, "pages", { notes: false });
  const ended = await worker.run(server, {
    lookups: true,
    items: [pages],
    script: `set -u
datatask get any k.1 | od -An -tx1
datatask get any nobody; echo "code $?"
printf x >'-f'; printf n >"\${PWD%/*}/values/many/pages.notes/-f"
datatask put pages -f; datatask put pages ./-f "it's"
datatask put nobody -f; echo "code $?"
datatask put pages /no/file; echo "code $?"
datatask put pages -f a/b; echo "code $?"
datatask; echo "code $?"`,
  });
  assert.deepEqual(ended.stdout.split("\n").map((line) => line.trim()), [
    "00 ff 0a",
    "code 3",
    "key-of--f",
    "key-of-it's",
    "code 2",
    "code 2",
    "code 2",
    "code 2",
    "",
  ]);
  assert.match(ended.stderr, /cannot put into nobody: it is no streaming output of this task\n/);
  assert.match(ended.stderr, /cannot put \/no\/file into pages: it is no file\n/);
  assert.match(ended.stderr, /cannot put -f into pages: a name has no slash\n/);
  assert.match(ended.stderr, /usage: datatask get LINK KEY/);
  assert.equal(server.text("pages/-f"), "x");
  assert.equal(server.text("pages.notes/-f"), "n");
  // As root a rename onto one of these would take it from all that run after it.
  for (const name of ["stdin", "stdout", "stderr"]) assert(Deno.lstatSync(`/dev/${name}`).isSymlink, name);
});

each("ends a script whose stream cannot go on, and says why", async (worker, server) => {
  const pages = streaming(worker, "pages");
  const ended = await worker.run(server, {
    feeds: [pages],
    script: `while [ ! -e '${pages.path}.end' ]; do sleep 0.05; done`,
  });
  server.faults.clear();
  assert.equal(ended.code, 75, ended.stderr);
  const fault = workerFault(ended.stderr, "m4rk");
  assert.match(fault?.message ?? "", /^cannot go on with input pages: the agent answers 403: no such link$/);
  assert.equal(fault?.own, false);
});

each(
  "keeps downloads by their content, within bounds, and never serves an old value",
  async (worker, server) => {
    const folder = `${worker.dir}/the cache`;
    let runs = 0;
    const read = async (extra: Partial<WorkerJob> = {}): Promise<string> => {
      const values = `${worker.folder}-${runs++}`;
      const ended = await worker.run(server, {
        folder: values,
        inputs: [{ name: "books", path: `${values}/in/books`, tree: false }],
        cache: { folder, bytes: 3000 },
        script: `head -c 3 '${values}/in/books'; echo changed >'${values}/in/books'`,
        ...extra,
      });
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout;
    };
    const gets = (): number => server.requests.filter((request) => request === "GET /in/books").length;
    const kept = (): Deno.DirEntry[] => [...Deno.readDirSync(folder)];
    server.put("books", "one".padEnd(1500));
    assert.deepEqual([await read(), await read(), gets()], ["one", "one", 1]);
    server.put("books", "two".padEnd(1500));
    assert.deepEqual([await read(), gets()], ["two", 2]);
    // What was tampered with is fetched again.
    for (const { name } of kept()) Deno.writeTextFileSync(`${folder}/${name}`, "bad");
    assert.deepEqual([await read(), gets()], ["two", 3]);
    const many = await Promise.all(Array.from({ length: 4 }, () => read()));
    assert.deepEqual(many, ["two", "two", "two", "two"]);
    for (const word of ["six", "ten"]) {
      server.put("books", word.padEnd(1500));
      assert.equal(await read(), word);
    }
    assert(kept().length <= 2, "it holds more than it may");
    assert(kept().every(({ name }) => /^[0-9a-f]{64}$/.test(name)));
  },
);

each("leaves no process behind when it is killed, whatever it is doing", async (worker, server) => {
  const pages = streaming(worker, "pages");
  const leaves = async (job: Partial<WorkerJob>, when: () => boolean): Promise<void> => {
    const child = worker.start(server, job);
    const ended = endOf(child);
    await child.stdin.close();
    await until("it has come so far", when);
    // The script itself is ended by whoever ends the session: here by this test, which has to know it.
    const script = await worker.childPid(job.folder);
    child.kill("SIGKILL");
    await child.status;
    Deno.kill(script, "SIGKILL");
    await until("no process is left", () => worker.processes().length === 0);
    await ended;
  };
  server.feeds.set("pages", { keys: [], over: false });
  const [feeds, items] = [`${worker.folder}-feeds`, `${worker.folder}-items`];
  await leaves(
    { folder: feeds, feeds: [pages], script: "exec sleep 100" },
    () => server.requests.some((request) => request.startsWith("GET /feed")),
  );
  await leaves(
    { folder: items, items: [{ ...pages, path: `${items}/pages` }], script: `exec sleep 100` },
    () => {
      try {
        return Deno.statSync(`${items}/.worker/items0.2`).isFile;
      } catch {
        return false;
      }
    },
  );
});
