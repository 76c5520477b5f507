import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import { parseChallenge } from "../../../repositories/docker_registry/auth.ts";
import {
  DockerRegistryRepository,
  RegistryClient,
  registryClient,
  type RegistryOptions,
} from "../../../repositories/docker_registry/mod.ts";
import { Session } from "../../../session/session.ts";
import { listKeys } from "../../../testing/suite.ts";
import { filesOf, imageOf } from "./layouts.ts";
import { ALICE, certificates, ownRegistry, ownTest } from "./servers.ts";
import { tokenService } from "./tokens.ts";

const at = (url: string, options: RegistryOptions = {}): DockerRegistryRepository =>
  new DockerRegistryRepository(new RegistryClient(url, options), { repository: "team/tools" });

async function fails(code: string, text: RegExp, call: () => unknown): Promise<void> {
  await assert.rejects(async () => await call(), (error) => {
    assert(isDatataskError(error), String(error));
    assert.match(error.message, text);
    assert(
      !error.message.includes(ALICE.password) && !error.message.includes("wrong:one"),
      "a password in an error",
    );
    assert.equal(error.code, code);
    return true;
  });
}

/** A folder with a `config.json` of Docker. */
async function dockerConfig(stack: AsyncDisposableStack, content: unknown): Promise<string> {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(
    `${dir}/config.json`,
    typeof content === "string" ? content : JSON.stringify(content),
  );
  return `${dir}/config.json`;
}

ownTest(
  "RegistryClient logs in with a password that has colons, over TLS of its own authority",
  async (stack) => {
    const { ca, cert, key } = await certificates(stack);
    const server = await ownRegistry(stack, { login: true, tls: { cert, key } });
    const session = new Session();
    const registry = session.resource(
      "registry",
      registryClient(server.url, { credentials: ALICE, caCerts: [ca] }),
    );
    const images = new DockerRegistryRepository(registry, { repository: "team/tools" });
    await using _open = await session.open();
    await images.prepare();
    await images.put("v1", (await imageOf("over TLS")).entries());
    assert.deepEqual(await listKeys(images.driver), ["v1"]);
    assert.equal((await filesOf(await images.entries("v1"))).size, 5);
    assert.equal(images.reference("v1"), `${server.host}/team/tools:v1`);
    await images.delete("v1");
    assert.equal(await images.has("v1"), false);

    await fails(
      "denied",
      /Cannot list images .*: the certificate of 127\.0\.0\.1:\d+ is not trusted; pass the certificate of its authority as `caCerts`/,
      () => listKeys(at(server.url, { credentials: ALICE }).driver),
    );
    using plain = new RegistryClient(server.url.replace("https", "http"), { credentials: ALICE });
    await assert.rejects(
      listKeys(new DockerRegistryRepository(plain, { repository: "team/tools" }).driver),
      /Cannot list images/,
    );
  },
);

ownTest("RegistryClient says what is wrong with a login", async (stack) => {
  const server = await ownRegistry(stack, { login: true });
  const nobody = await dockerConfig(stack, {});
  const wrong = at(server.url, { credentials: { username: "alice", password: "wrong:one" } });
  const refusal =
    /Cannot look up "v1" of images .*: 127\.0\.0\.1:\d+ refused the user "alice" from `credentials`: the password is wrong, or this login may not do it; check it/;
  await fails("denied", refusal, () => wrong.has("v1"));
  await fails("denied", /Cannot list images .* refused the user "alice"/, () => listKeys(wrong.driver));
  await fails("denied", /Cannot prepare images .* refused the user "alice"/, () => wrong.prepare());
  await fails(
    "denied",
    /wants a login; pass `credentials`, or run "docker login"/,
    () => at(server.url, { dockerConfig: nobody }).has("v1"),
  );
  const late = at(server.url, { credentials: () => Promise.resolve(ALICE) });
  assert.equal(await late.has("v1"), false);
});

ownTest("RegistryClient finds what docker login has left", async (stack) => {
  const server = await ownRegistry(stack, { login: true });
  const auth = btoa(`${ALICE.username}:${ALICE.password}`);
  const withConfig = async (content: unknown): Promise<DockerRegistryRepository> =>
    at(server.url, { dockerConfig: await dockerConfig(stack, content) });
  assert.equal(await (await withConfig({ auths: { [server.host]: { auth } } })).has("v1"), false);
  assert.equal(await (await withConfig({ auths: { [`http://${server.host}`]: { auth } } })).has("v1"), false);
  await fails(
    "denied",
    /wants a login/,
    async () => (await withConfig({ auths: { "other.example": { auth } } })).has("v1"),
  );
  await fails(
    "denied",
    /a login in .*config\.json is damaged; run "docker login" again/,
    async () => (await withConfig({ auths: { [server.host]: { auth: "%" } } })).has("v1"),
  );
  await fails(
    "denied",
    /the logins in .*config\.json cannot be read: .*; repair it/,
    async () => (await withConfig("{")).has("v1"),
  );
  await fails(
    "denied",
    /the credential helper docker-credential-nosuch cannot be started; install it/,
    async () => (await withConfig({ credsStore: "nosuch" })).has("v1"),
  );
});

ownTest("RegistryClient asks credential helpers", async (stack) => {
  const server = await ownRegistry(stack, { login: true });
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const helper = async (name: string, script: string): Promise<void> => {
    await Deno.writeTextFile(`${dir}/docker-credential-${name}`, `#!/bin/sh\nread host\n${script}\n`, {
      mode: 0o755,
    });
  };
  await helper(
    "good",
    `[ "$1 $host" = "get ${server.host}" ] && echo '${
      JSON.stringify({ Username: "alice", Secret: ALICE.password })
    }' || { echo "credentials not found in native keychain"; exit 1; }`,
  );
  await helper("none", `echo "credentials not found in native keychain"; exit 1`);
  await helper("broken", "echo locked >&2; exit 1");
  await helper("chatty", "echo hello");
  const script = `
    import { DockerRegistryRepository, RegistryClient } from "${
    import.meta.resolve("../../../repositories/docker_registry/mod.ts")
  }";
    const client = new RegistryClient(Deno.args[0], { dockerConfig: Deno.args[1] });
    await new DockerRegistryRepository(client, { repository: "a" }).has("v1").then(console.log, (error) => console.log(error.message));`;
  await Deno.writeTextFile(`${dir}/look.ts`, script);
  const look = async (content: unknown): Promise<string> => {
    const args = [
      "run",
      "--no-lock",
      "--no-prompt",
      "-A",
      `${dir}/look.ts`,
      server.url,
      await dockerConfig(stack, content),
    ];
    const env = { PATH: `${dir}:${Deno.env.get("PATH")}`, NO_COLOR: "1" };
    return new TextDecoder().decode((await new Deno.Command(Deno.execPath(), { args, env }).output()).stdout)
      .trim();
  };
  const auths = { [server.host]: { auth: btoa(`alice:${ALICE.password}`) } };
  assert.equal(await look({ credHelpers: { [server.host]: "good" } }), "false");
  assert.equal(await look({ credsStore: "good" }), "false");
  assert.equal(await look({ credsStore: "none", auths }), "false");
  assert.match(await look({ credsStore: "none" }), /wants a login/);
  assert.match(await look({ credsStore: "broken" }), /docker-credential-broken failed \(locked\); repair it/);
  assert.match(await look({ credsStore: "chatty" }), /docker-credential-chatty gave no login in JSON/);
});

ownTest("RegistryClient fetches bearer tokens, and says when they do not allow it", async (stack) => {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const tokens = stack.use(await tokenService(dir, ALICE.password));
  const more =
    `auth: {token: {realm: "${tokens.realm}", service: registry, issuer: tests, rootcertbundle: ${tokens.bundle}}}`;
  const server = await ownRegistry(stack, { more });
  const alice = at(server.url, { credentials: ALICE });
  await alice.put("v1", (await imageOf("by token")).entries());
  assert.deepEqual(await listKeys(alice.driver), ["v1"]);
  assert.equal((await filesOf(await alice.entries("v1"))).size, 5);
  const scopes = new Set(tokens.asked.map(({ scope }) => scope));
  assert.equal(tokens.asked.length, scopes.size, "a token was asked for twice");
  assert([...scopes].every((scope) => scope.startsWith("repository:team/tools:")));

  const stranger = at(server.url, { dockerConfig: await dockerConfig(stack, {}) });
  assert.equal(await stranger.has("v1"), true);
  await fails(
    "denied",
    /Cannot write "v2" of images .*wants a login; pass `credentials`/,
    async () => await stranger.retag("v1", "v2"),
  );
  await fails(
    "denied",
    /refused the user "alice" from `credentials`/,
    () => at(server.url, { credentials: { username: "alice", password: "wrong:one" } }).has("v1"),
  );
  await fails(
    "denied",
    /refused the token from `credentials`/,
    () => at(server.url, { credentials: { bearerToken: "made.up.token" } }).has("v1"),
  );

  const identity = at(server.url, {
    dockerConfig: await dockerConfig(stack, { auths: { [server.host]: { identitytoken: "long-lived" } } }),
  });
  await identity.retag("v1", "v3");
  assert.equal(tokens.asked.at(-1)!.refresh, "long-lived");
  await identity.delete("v3");
  assert.deepEqual(await listKeys(alice.driver), ["v1"]);
});

ownTest("DockerRegistryRepository says when deletion is disabled, and moves nothing", async (stack) => {
  const server = await ownRegistry(stack, { deletes: false });
  const images = at(server.url);
  await images.put("v1", (await imageOf("stays")).entries());
  const { digest } = await images.imageInfo("v1");
  const text =
    /Cannot delete .*: 127\.0\.0\.1:\d+ has deletion disabled; set REGISTRY_STORAGE_DELETE_ENABLED=true/;
  await fails("unsupported", text, () => images.delete("v1"));
  await fails("unsupported", text, () => images.deleteImage(digest, { tags: ["v1"] }));
  await images.delete("absent");
  assert.equal((await images.imageInfo("v1")).digest, digest);
  assert.deepEqual(await listKeys(images.driver), ["v1"]);
});

Deno.test("RegistryClient says what is wrong with an address", async () => {
  const address = (text: string): string => new RegistryClient(text).address.origin;
  assert.equal(address("registry.example:5000"), "https://registry.example:5000");
  assert.equal(address("127.0.0.1:5000"), "http://127.0.0.1:5000");
  assert.equal(address("localhost"), "http://localhost");
  assert.equal(address("[::1]:5000"), "http://[::1]:5000");
  assert.equal(address("docker.io"), "https://registry-1.docker.io");
  assert.equal(
    new RegistryClient("http://registry.lan:5000", { plainHttp: true }).address.origin,
    "http://registry.lan:5000",
  );
  await fails(
    "invalid-definition",
    /Cannot use "http:\/\/registry\.lan" .*: passwords and images would go unencrypted; use https:\/\/, or allow it with `plainHttp: true`/,
    () => address("http://registry.lan"),
  );
  await fails(
    "invalid-definition",
    /"https:\/\/…@registry\.lan" .*: it holds a password; pass `credentials`/,
    () => address("https://alice:pw@registry.lan"),
  );
  await fails(
    "invalid-definition",
    /it holds more than a host; the image goes into `repository`/,
    () => address("registry.lan/team/tools"),
  );
  await fails("invalid-definition", /use https:\/\/ or http:\/\//, () => address("ftp://registry.lan"));
  await fails("invalid-definition", /it is no host/, () => address("two words"));
  await fails(
    "invalid-definition",
    /Cannot use "Team\/Tools" as the name of an image repository: use lower-case/,
    () => new DockerRegistryRepository(new RegistryClient("localhost"), { repository: "Team/Tools" }),
  );
});

Deno.test("RegistryClient says when nobody, or no registry, is at an address", async () => {
  using closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr as Deno.NetAddr;
  closed.close();
  await fails(
    "unavailable",
    /Cannot list images .*: cannot reach 127\.0\.0\.1:\d+: nobody listens there; check its address, see that it is up/,
    () => listKeys(at(`127.0.0.1:${port}`).driver),
  );
  await fails(
    "unavailable",
    /there is no host no-such-host\.invalid; check the address/,
    () => at("no-such-host.invalid").has("v1"),
  );
  await using web = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("<h1>welcome</h1>", { status: 404 }),
  );
  const text =
    /what answers at http:\/\/127\.0\.0\.1:\d+ is no Docker registry \(it answered 404 to \/v2\/\); check the address/;
  await fails("unavailable", text, () => at(`127.0.0.1:${web.addr.port}`).has("v1"));
  await fails("unavailable", text, () => listKeys(at(`127.0.0.1:${web.addr.port}`).driver));
  await fails(
    "unavailable",
    /does not speak TLS; write http:\/\/ before it/,
    () => at(`https://127.0.0.1:${web.addr.port}`).has("v1"),
  );
});

Deno.test("RegistryClient sends passwords to no other host", async () => {
  const seen: (string | null)[] = [];
  await using elsewhere = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ headers }) => {
    seen.push(headers.get("authorization"));
    return new Response("{}", { headers: { "content-type": "application/vnd.oci.image.index.v1+json" } });
  });
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ headers }) => {
    if (!headers.has("authorization")) {
      return new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    }
    return Response.redirect(`http://127.0.0.1:${elsewhere.addr.port}/blob`, 307);
  });
  const images = at(`127.0.0.1:${server.addr.port}`, { credentials: ALICE });
  assert.equal((await images.imageInfo("v1")).platforms.length, 0);
  assert.deepEqual(seen, [null]);
  await using unsafe = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () =>
      new Response(null, {
        status: 401,
        headers: { "www-authenticate": 'Bearer realm="http://tokens.example/token"' },
      }),
  );
  await fails(
    "denied",
    /wants the password sent unencrypted to tokens\.example/,
    () => at(`127.0.0.1:${unsafe.addr.port}`, { credentials: ALICE }).has("v1"),
  );
});

Deno.test("parseChallenge() reads what registries ask", () => {
  const bearer =
    'Bearer realm="https://auth.example/token",service="a \\"b\\"",scope="repository:a/b:pull,push"';
  assert.deepEqual(parseChallenge(bearer), {
    scheme: "bearer",
    parameters: { realm: "https://auth.example/token", service: 'a "b"', scope: "repository:a/b:pull,push" },
  });
  assert.deepEqual(parseChallenge("Basic realm=x"), { scheme: "basic", parameters: { realm: "x" } });
  assert.equal(parseChallenge("Negotiate, Basic realm=x").scheme, "basic");
  assert.equal(parseChallenge("Negotiate").scheme, "negotiate");
  assert.equal(parseChallenge("").scheme, "");
});
