/** Tests of an engine that is reached over TLS, as `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say. */
import assert from "node:assert/strict";
import { certificates } from "../../kit/certificates.ts";
import { inFolder } from "../../kit/folder.ts";
import { docker, freshState, image, socket } from "./kit.ts";

/** Stands before the engine, and speaks TLS. */
class TlsGate implements AsyncDisposable {
  /** How many connections came through the handshake. */
  passed = 0;
  readonly #listener: Deno.TlsListener;
  readonly #open = new Set<Deno.Conn>();
  readonly #serving: Promise<void>;

  /** @param files Its certificate and key. */
  constructor(files: { readonly certificate: string; readonly key: string }) {
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: Deno.readTextFileSync(files.certificate),
      key: Deno.readTextFileSync(files.key),
    });
    this.#serving = this.#serve();
  }

  /** Its port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(): Promise<void> {
    const joined: Promise<void>[] = [];
    for await (const connection of this.#listener) joined.push(this.#join(connection));
    await Promise.all(joined);
  }

  async #join(from: Deno.TlsConn): Promise<void> {
    this.#open.add(from);
    try {
      await from.handshake();
      this.passed++;
      const to = await Deno.connect({ transport: "unix", path: socket });
      this.#open.add(to);
      await Promise.all([
        from.readable.pipeTo(to.writable).catch(() => {}),
        to.readable.pipeTo(from.writable).catch(() => {}),
      ]);
    } catch {
      // The other side does not trust the certificate, or has gone.
      this.#close(from);
    }
  }

  #close(connection: Deno.Conn): void {
    try {
      connection.close();
    } catch {
      // It is closed.
    }
  }

  /** Listens no more, and ends what is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#serving;
  }
}

Deno.test({
  ...docker.test,
  name:
    "dockerExecutor runs over TLS where the environment says so and nothing else was told, and refuses an engine whose certificate it does not trust",
  fn: () =>
    inFolder(async (folder) => {
      await using stack = new AsyncDisposableStack();
      const files = await certificates(folder);
      await using gate = new TlsGate(files);
      const state = freshState(stack);
      const trusted = `${folder}/trusted`, other = `${folder}/other`;
      for (const path of [trusted, other]) await Deno.mkdir(path);
      await Deno.copyFile(files.authorities, `${trusted}/ca.pem`);
      const { authorities } = await certificates(other);
      assert.equal(authorities, `${other}/ca.pem`);
      await Deno.remove(`${other}/cert.pem`);
      const run = async (authority: string, host = `127.0.0.1:${gate.port}`, at = "") => {
        const { HOME, PATH, DENO_DIR } = Deno.env.toObject();
        const program = new URL("program.ts", import.meta.url).pathname;
        const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", program, at, state, image],
          clearEnv: true,
          env: {
            PATH: PATH ?? "",
            HOME: HOME ?? "",
            ...(DENO_DIR && { DENO_DIR }),
            NO_COLOR: "1",
            DOCKER_HOST: `tcp://${host}`,
            DOCKER_TLS_VERIFY: "1",
            DOCKER_CERT_PATH: authority,
          },
        }).output();
        return {
          code,
          out: new TextDecoder().decode(stdout).trim(),
          err: new TextDecoder().decode(stderr),
        };
      };
      const fine = await run(trusted);
      assert.equal(fine.out, JSON.stringify({ state: "finished", log: "fine\n" }), fine.err);
      assert(gate.passed > 0, "it did not go over TLS");
      const passed = gate.passed;
      const { out } = await run(other, "127.0.0.1:1", socket);
      assert.equal(out, fine.out, "what is told counts, and not the environment");
      const { code, err } = await run(other);
      assert.notEqual(code, 0);
      assert.match(
        err,
        /Cannot open executor docker: the certificate of the Docker Engine at tcp:\/\/127\.0\.0\.1:\d+ is not trusted \(.*\); see that it is for that address, and that ca\.pem in DOCKER_CERT_PATH, or the option tls\.ca, holds/,
      );
      assert.equal(gate.passed, passed, "nothing was told to an engine that is not trusted");
    }),
});
