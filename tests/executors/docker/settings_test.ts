/** Tests of what is found in the environment and in the settings of the `docker` command: in processes of their own, since they change both. */
import assert from "node:assert/strict";
import { docker, freshState, image, socket } from "./kit.ts";

const folder = new URL("./", import.meta.url);

async function deno(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  const { HOME, PATH, DENO_DIR } = Deno.env.toObject();
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: { PATH: PATH ?? "", HOME: HOME ?? "", ...(DENO_DIR && { DENO_DIR }), NO_COLOR: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim();
  return { out: text(stdout), err: text(stderr), code };
}

/** What an expression gives in a process with such an environment. */
async function evaluated(file: string, expression: string, env: Record<string, string>): Promise<string> {
  const code = `import * as it from ${
    JSON.stringify(new URL(`../../../executors/docker/${file}`, import.meta.url).href)
  };
try { console.log(JSON.stringify(await ${expression})); } catch (error) { console.log(error.message, error.cause?.message ?? ""); }`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, code);
    const { out, err } = await deno(["run", "-A", "--no-check", path], env);
    return out || err;
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("dockerExecutor finds the engine where the docker command does", async () => {
  const config = await Deno.makeTempDir();
  const base = { DOCKER_CONFIG: config };
  const where = (env: Record<string, string>, options = ""): Promise<string> =>
    evaluated("endpoint.ts", `it.findEndpoint(${options})`, { ...base, ...env });
  try {
    const meta = `${config}/contexts/meta/abc`;
    await Deno.mkdir(meta, { recursive: true });
    await Deno.mkdir(`${config}/contexts/tls/abc/docker`, { recursive: true });
    await Deno.writeTextFile(
      `${meta}/meta.json`,
      JSON.stringify({ Name: "far", Endpoints: { docker: { Host: "tcp://10.0.0.5:2376" } } }),
    );
    await Deno.writeTextFile(`${config}/contexts/tls/abc/docker/ca.pem`, "CA");
    const far = {
      url: "tcp://10.0.0.5:2376",
      options: { host: "10.0.0.5", port: 2376, protocol: "https", ca: "CA" },
      local: false,
    };
    const plain = {
      url: "unix:///var/run/docker.sock",
      options: { socketPath: "/var/run/docker.sock" },
      local: true,
    };
    const found = await Promise.all([
      where({}),
      where({ DOCKER_CONTEXT: "far" }),
      where({ DOCKER_CONTEXT: "far", DOCKER_HOST: "unix:///x.sock" }),
      where({ DOCKER_HOST: "tcp://h" }),
      where({}, `{ socket: "/own.sock" }`),
    ]);
    assert.deepEqual(JSON.parse(found[0]!), plain);
    assert.deepEqual(JSON.parse(found[1]!), far);
    assert.equal(JSON.parse(found[2]!).url, "unix:///x.sock");
    assert.deepEqual(JSON.parse(found[3]!).options, { host: "h", port: 2375, protocol: "http" });
    assert.equal(JSON.parse(found[4]!).url, "unix:///own.sock");
    await Deno.writeTextFile(`${config}/config.json`, JSON.stringify({ currentContext: "far" }));
    assert.deepEqual(JSON.parse(await where({})), far);
    assert.match(
      await where({ DOCKER_CONTEXT: "nope" }),
      /there is no context nope; "docker context ls" shows/,
    );
    await Deno.writeTextFile(`${config}/config.json`, '{"auth": "SECRET"');
    const said = await where({});
    assert.match(said, /config\.json is no JSON; repair it, or set DOCKER_HOST/);
    assert.doesNotMatch(said, /SECRET/);
  } finally {
    await Deno.remove(config, { recursive: true });
  }
});

Deno.test("dockerExecutor finds logins in the file, and asks helpers", async () => {
  const config = await Deno.makeTempDir();
  const login = (image: string, PATH = Deno.env.get("PATH") ?? ""): Promise<string> =>
    evaluated("credentials.ts", `it.findLogin(${JSON.stringify(image)})`, { DOCKER_CONFIG: config, PATH });
  try {
    const helper = `${config}/docker-credential-test`;
    await Deno.writeTextFile(
      helper,
      `#!/bin/sh
read -r server
case $server in
  helped) echo '{"Username": "<token>", "Secret": "s"}' ;;
  broken) echo 'SECRET' ;;
  *) echo "credentials not found"; exit 1 ;;
esac
`,
    );
    await Deno.chmod(helper, 0o755);
    await Deno.writeTextFile(
      `${config}/config.json`,
      JSON.stringify({
        credHelpers: { "helped:5000": "test", "helped.io": "test", "localhost": "test" },
        auths: { "https://index.docker.io/v1/": { auth: btoa("bob:p:w") }, "damaged.io": { auth: "?" } },
      }),
    );
    await Deno.writeTextFile(
      helper,
      (await Deno.readTextFile(helper)).replace("helped)", "helped.io)").replace("broken)", "localhost)"),
    );
    const path = `${config}:${Deno.env.get("PATH")}`;
    const [hub, helped, damaged, none, broken] = await Promise.all([
      login("alpine:3"),
      login("helped.io/x", path),
      login("damaged.io/x"),
      login("other.io/x"),
      login("localhost/x", path),
    ]);
    assert.deepEqual(JSON.parse(hub!), {
      username: "bob",
      password: "p:w",
      serveraddress: "https://index.docker.io/v1/",
    });
    assert.deepEqual(JSON.parse(helped!), { identitytoken: "s", serveraddress: "helped.io" });
    assert.match(damaged!, /a login in .* is damaged; repair it, or run "docker login" again/);
    assert.equal(none, "undefined");
    assert.match(broken!, /gave no login in JSON/);
    assert.doesNotMatch(broken!, /SECRET/);
    await Deno.writeTextFile(`${config}/config.json`, '{"auth": "SECRET"');
    const said = await login("alpine:3");
    assert.match(said, /config\.json is no JSON; repair it/);
    assert.doesNotMatch(said, /SECRET/);
  } finally {
    await Deno.remove(config, { recursive: true });
  }
});

/** The flags of docs/docker.md, for another socket. */
function documented(at: string): string[] {
  const text = Deno.readTextFileSync(new URL("../../../docs/docker.md", import.meta.url));
  const line = /^deno run ([\s\S]*?) pipeline\.ts$/m.exec(text)![1]!;
  return line.replaceAll("\\\n", " ").split(/\s+/).map((flag) => flag.replaceAll("/var/run/docker.sock", at));
}

Deno.test({
  ...docker.test,
  name: "dockerExecutor needs no more permissions than docs/docker.md says, and names what is missing",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const state = freshState(stack);
    const flags = documented(socket).map((flag) => /=\.$/.test(flag) ? flag.replace(/\.$/, state) : flag);
    const program = [new URL("program.ts", folder).pathname, socket, state, image];
    const { out, err } = await deno(["run", "--no-prompt", "--no-check", ...flags, ...program]);
    assert.equal(out, JSON.stringify({ state: "finished", log: "fine\n" }), err);
    for (const flag of flags.filter((each) => each.includes(socket))) {
      const less = flags.filter((each) => each !== flag);
      const { err, code } = await deno(["run", "--no-prompt", "--no-check", ...less, ...program]);
      assert.notEqual(code, 0, `${flag} is not needed`);
      assert.match(err, new RegExp(`Requires (read|write|net) access to "(unix:)?${socket}"`), flag);
    }
  },
});
