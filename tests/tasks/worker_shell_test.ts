import assert from "node:assert/strict";
import { workerFault } from "../../tasks/worker_fault.ts";
import { WORKER_HTTP } from "../../tasks/worker_http.ts";
import { endOf, type Machine, MACHINES, Worker } from "./worker_kit.ts";
import { WorkerServer } from "./worker_server.ts";

/** Names and texts that a shell would take apart, if it were let. */
const HOSTILE = [`it's`, `"q" $HOME \`id\``, "-n", "a\nb", "ünï ☃", "*", "\\t%s", "x y"];

function each(
  name: string,
  body: (worker: Worker, server: WorkerServer) => Promise<void>,
  folder?: string,
): void {
  for (const machine of MACHINES) one(machine, name, body, folder);
}

function one(
  machine: Machine,
  name: string,
  body: (worker: Worker, server: WorkerServer) => Promise<void>,
  folder?: string,
): void {
  Deno.test(`the shell of a worker ${name} (${machine.name})`, async () => {
    await using server = new WorkerServer();
    await using worker = new Worker(machine, folder);
    await body(worker, server);
  });
}

const value = (worker: Worker, way: string, name: string, tree = false) => ({
  name,
  path: `${worker.folder}/${way}/${name}`,
  tree,
});

each("brings values, runs the script, and hands over what it made", async (worker, server) => {
  const odd = new Uint8Array(300_000).map((_, i) => (i * 7) % 256);
  server.put("books", odd);
  server.put("empty", "");
  const books = value(worker, "in", "books");
  const copy = value(worker, "out", "copy");
  const none = value(worker, "out", "none");
  const ended = await worker.run(server, {
    inputs: [books, value(worker, "in", "empty"), value(worker, "in", "absent")],
    outputs: [copy, value(worker, "out", "void"), none],
    script: `set -eu
[ "$PWD" = '${worker.dir}/cwd' ] && [ -z "$(ls -A)" ]
[ -f '${worker.folder}/in/empty' ] && [ ! -e '${worker.folder}/in/absent' ]
cat; echo said >&2
cat '${books.path}' >'${copy.path}'
: >'${worker.folder}/out/void'`,
  }, { stdin: "given\n" });
  assert.deepEqual(ended, { code: 0, signal: null, stdout: "given\n", stderr: "said\n" });
  assert.deepEqual(server.sent.get("copy"), odd);
  assert.equal(server.text("void"), "");
  assert(!server.sent.has("none"));
});

each("hands over standard streams, byte for byte", async (worker, server) => {
  const [stdout, stderr] = [value(worker, ".worker", "stdout"), value(worker, ".worker", "stderr")];
  const script = String.raw`printf 'a\r\n\0\377b'; printf 'c\r\n' >&2`;
  const streams = { stdout: stdout.path, stderr: stderr.path, merged: false };
  const apart = await worker.run(server, { outputs: [stdout, stderr], streams, script });
  assert.deepEqual(apart, { code: 0, signal: null, stdout: "", stderr: "" });
  assert.deepEqual([...server.sent.get("stdout")!], [97, 13, 10, 0, 255, 98]);
  assert.equal(server.text("stderr"), "c\r\n");
  server.sent.clear();
  const merged = { stdout: stdout.path, merged: true };
  await worker.run(server, { outputs: [stdout], streams: merged, script: "echo 1; echo 2 >&2; echo 3" });
  assert.equal(server.text("stdout"), "1\n2\n3\n");
});

each("says what a script wrote to its streams when it has failed", async (worker, server) => {
  const [stdout, stderr] = [value(worker, ".worker", "stdout"), value(worker, ".worker", "stderr")];
  const streams = { stdout: stdout.path, stderr: stderr.path, merged: false };
  const script = "echo 1; echo 2 >&2; exit 3";
  const ended = await worker.run(server, { outputs: [stdout, stderr], streams, script });
  assert.deepEqual(ended, { code: 3, signal: null, stdout: "1\n", stderr: "2\n" });
  assert.equal(server.sent.size, 0);
});

each("takes the same texts apart as nobody", async (worker, server) => {
  const text = HOSTILE.join("|");
  server.put("books", text);
  const outs = HOSTILE.map((_, i) => value(worker, "out", `o${i}`));
  const ended = await worker.run(server, {
    inputs: [value(worker, "in", "books")],
    outputs: outs,
    script: outs.map(({ path }, i) =>
      `printf '%s' '${HOSTILE[i]!.replaceAll("'", `'\\''`)}' >'${path.replaceAll("'", `'\\''`)}'`
    ).join("\n") + `\nprintf '%s' "$ODD"; cat '${worker.folder.replaceAll("'", `'\\''`)}/in/books'`,
  }, { env: { ODD: text } });
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stdout, text + text);
  HOSTILE.forEach((each, i) => assert.equal(server.text(`o${i}`), each));
}, `va'l "u" $HOME ü`);

each("leaves as the script did: its code, its signal, its own code over 128", async (worker, server) => {
  let runs = 0;
  const run = (script: string, interpreter?: string[]) =>
    worker.run(server, { folder: `${worker.folder}-${runs++}`, script, interpreter });
  assert.equal((await run("exit 7")).code, 7);
  assert.equal((await run("false")).code, 1);
  assert.deepEqual([(await run("exit 75")).code, (await run("exit 75")).stderr], [75, ""]);
  const own = await run("exit 200");
  assert.deepEqual([own.code, own.signal], [200, null]);
  const killed = await run("exec sh -c 'kill -s KILL $$'");
  assert.equal(killed.signal, "SIGKILL");
  const read = await run("#!/bin/cat\nhello", ["/bin/cat"]);
  assert.equal(read.stdout, "#!/bin/cat\nhello");
});

each("goes on where a download was cut, and never mixes two versions", async (worker, server) => {
  const odd = new Uint8Array(2_000_000).map((_, i) => (i * 31 + (i >> 9)) % 256);
  server.put("books", odd);
  server.faults.set("GET /in/books", [{ cut: 700_000 }, { status: 503 }, { cut: 500_000 }]);
  const job = {
    inputs: [value(worker, "in", "books")],
    outputs: [value(worker, "out", "copy")],
    script: `cat '${worker.folder}/in/books' >'${worker.folder}/out/copy'`,
  };
  const ended = await worker.run(server, job);
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(server.sent.get("copy"), odd);
  assert.equal(server.requests.filter((request) => request === "GET /in/books").length, 4);
});

each("begins anew when the value has changed meanwhile", async (worker, server) => {
  const [old, now] = [new Uint8Array(900_000).fill(1), new Uint8Array(800_000).fill(2)];
  server.put("books", old);
  server.faults.set("GET /in/books", [{ cut: 500_000 }]);
  const job = {
    inputs: [value(worker, "in", "books")],
    outputs: [value(worker, "out", "copy")],
    script: `cat '${worker.folder}/in/books' >'${worker.folder}/out/copy'`,
  };
  const running = worker.run(server, job);
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  server.values.set("books", now);
  const ended = await running;
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(server.sent.get("copy"), now);
});

each("goes on where an upload was cut", async (worker, server) => {
  const odd = new Uint8Array(1_500_000).map((_, i) => (i * 13 + (i >> 8)) % 256);
  server.put("books", odd);
  server.faults.set("PUT /out/copy", [{ cut: 400_000 }, { status: 502 }, { digest: "wrong" }]);
  const ended = await worker.run(server, {
    inputs: [value(worker, "in", "books")],
    outputs: [value(worker, "out", "copy")],
    script: `cat '${worker.folder}/in/books' >'${worker.folder}/out/copy'`,
  });
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(server.sent.get("copy"), odd);
});

each("brings and takes trees", async (worker, server) => {
  const folder = `${worker.dir}/tree`;
  Deno.mkdirSync(`${folder}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/sub/-leaf of ü`, "green");
  Deno.writeTextFileSync(`${folder}/.hidden`, "h");
  const { stdout } = await new Deno.Command("tar", { args: ["-cf", "-", "-C", folder, "."] }).output();
  server.put("trees", new Uint8Array(stdout));
  const ended = await worker.run(server, {
    inputs: [value(worker, "in", "trees", true)],
    outputs: [value(worker, "out", "copy", true), value(worker, "out", "none", true)],
    script: `cp -R '${worker.folder}/in/trees/.' '${worker.folder}/out/copy'`,
  });
  assert.equal(ended.code, 0, ended.stderr);
  Deno.writeFileSync(`${worker.dir}/back.tar`, server.sent.get("copy")!);
  Deno.mkdirSync(`${worker.dir}/back`);
  await new Deno.Command("tar", { args: ["-xf", `${worker.dir}/back.tar`, "-C", `${worker.dir}/back`] })
    .output();
  assert.equal(Deno.readTextFileSync(`${worker.dir}/back/sub/-leaf of ü`), "green");
  assert.equal(Deno.readTextFileSync(`${worker.dir}/back/.hidden`), "h");
  assert(!server.sent.has("none"), "an empty folder is no tree");
});

each("gives up with the reason, and says whose fault it is", async (worker, server) => {
  const job = { inputs: [value(worker, "in", "books")], script: "echo ran" };
  server.put("books", "x");
  const words = async (faults: number[], patienceMs = 20_000) => {
    server.faults.set("GET /in/books", faults.map((status) => ({ status })));
    const { code, stdout, stderr } = await worker.run(server, { ...job, patienceMs });
    assert.deepEqual([code, stdout], [75, ""], stderr);
    return workerFault(stderr, "m4rk")!;
  };
  assert.deepEqual(await words([410]), {
    own: false,
    message: "cannot bring input books: the agent answers 410: it is told to say 410",
  });
  const late = await words([503, 503, 503, 503], 1000);
  assert(!late.own);
  assert.match(
    late.message,
    /^cannot bring input books: the agent answers 503: it is told to say 503, for \d+ seconds$/,
  );
  const large = await worker.run(server, {
    outputs: [value(worker, "out", "big")],
    script: `echo x >'${worker.folder}/out/big'`,
  });
  assert.equal(large.code, 0);
  server.faults.set("PUT /out/big", [{ status: 413 }]);
  const refused = await worker.run(server, {
    outputs: [value(worker, "out", "big")],
    script: `echo x >'${worker.folder}/out/big'`,
  });
  assert.deepEqual(workerFault(refused.stderr, "m4rk"), {
    own: true,
    message: "cannot hand over output big: the agent answers 413: it is told to say 413",
  });
  const missing = await worker.run(server, { script: "x", interpreter: ["/no/such program"] });
  assert.deepEqual(workerFault(missing.stderr, "m4rk"), {
    own: true,
    message: "the interpreter /no/such program of the script is not there; install it, or name another",
  });
});

each("hands over nothing of a script that fails", async (worker, server) => {
  const ended = await worker.run(server, {
    outputs: [value(worker, "out", "half")],
    script: `echo x >'${worker.folder}/out/half'; exit 3`,
  });
  assert.equal(ended.code, 3);
  assert.deepEqual(server.requests, []);
});

each("finds the agent again at an address that changes", async (worker, server) => {
  server.put("books", "call me");
  const file = `${worker.dir}/the address`;
  Deno.writeTextFileSync(file, "http://127.0.0.1:1\n");
  const child = worker.start(`file://${encodeURI(file)}`, {
    inputs: [value(worker, "in", "books")],
    script: `cat '${worker.folder}/in/books'`,
  });
  const running = endOf(child);
  await child.stdin.close();
  Deno.writeTextFileSync(`${file}.new`, `${server.address}\n`);
  Deno.renameSync(`${file}.new`, file);
  const ended = await running;
  assert.deepEqual([ended.code, ended.stdout], [0, "call me"]);
});

each(
  "passes a polite stop on to a script that cleans up, and hands over nothing then",
  async (worker, server) => {
    const child = worker.start(server, {
      outputs: [value(worker, "out", "half")],
      script:
        `trap 'echo bye; exit 0' TERM; echo x >'${worker.folder}/out/half'; while :; do [ -e up ] || { : >up; echo up; }; sleep 0.1; done`,
    });
    await child.stdin.close();
    const reader = child.stdout.getReader();
    let said = new TextDecoder().decode((await reader.read()).value);
    const pid = await worker.childPid();
    // As executors do: all processes of the run are told.
    Deno.kill(pid, "SIGTERM");
    Deno.kill(child.pid, "SIGTERM");
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      said += new TextDecoder().decode(read.value);
    }
    assert.equal(said, "up\nbye\n");
    const stderr = await new Response(child.stderr).text();
    assert.equal((await child.status).code, 143, stderr);
    assert.deepEqual(server.requests, []);
  },
);

Deno.test("the shell of a worker names both clients when there is none", async () => {
  await using worker = new Worker({ ...MACHINES[0]!, client: "none" });
  const ended = await worker.run("http://127.0.0.1:1", { script: "echo ran" });
  assert.deepEqual([ended.code, ended.stdout], [75, ""]);
  assert.deepEqual(workerFault(ended.stderr, "m4rk"), {
    own: true,
    message: "neither curl nor wget is there; install one of them",
  });
});

// The tools of busybox run its own programs, and not those of the path: where it sends by itself there is no command line to look at.
const SPIED = MACHINES.filter(({ client }) => client !== "nc");
for (const machine of SPIED) {
  one(
    machine,
    "shows its token on no command line, and in no file that others can read",
    async (worker, server) => {
      server.put("books", "x");
      const seen = `${worker.dir}/seen`;
      const client = `${worker.bin}/${worker.machine.client}`;
      const real = Deno.readLinkSync(client);
      Deno.removeSync(client);
      Deno.writeTextFileSync(
        client,
        `#!/bin/sh\n{ printf '%s ' "$@"; env; } >>'${seen}'\nexec '${real}' "$@"\n`,
      );
      Deno.chmodSync(client, 0o755);
      const ended = await worker.run(server, {
        inputs: [value(worker, "in", "books")],
        script: `ls -l '${worker.folder}' >/dev/null; env; ls -ld '${worker.folder}/.worker'`,
      });
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(Deno.readTextFileSync(seen), /127\.0\.0\.1/);
      assert(!Deno.readTextFileSync(seen).includes(server.token));
      assert(!ended.stdout.includes(server.token));
      assert.match(ended.stdout, /^drwx------/m);
    },
  );
}

for (const { name, shell: [program, ...args] } of MACHINES.filter(({ client }) => client !== "none")) {
  Deno.test(`a worker goes on, and tries again, when no file can be made for an answer (${name})`, async () => {
    const script = `${WORKER_HTTP}
_dt_w=/nowhere _dt_x=/nowhere/x _dt_a=http://127.0.0.1:9 _dt_p=/4f1d _dt_c=none
_dt_none() { _dt_r=23; }
_dt_http GET /in/books /nowhere/x.new
echo "$_dt_s $_dt_r"`;
    const { code, stdout } = await new Deno.Command(program!, { args: [...args, "-c", script] }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, "000 23\n"]);
  });
}
