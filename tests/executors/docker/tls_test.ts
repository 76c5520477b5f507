/** Tests of an engine that is reached over TLS, as `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say. */
import assert from "node:assert/strict";
import { certificates } from "../../kit/certificates.ts";
import { inFolder } from "../../kit/folder.ts";
import { TlsFront } from "../../kit/tls_front.ts";
import { docker, freshState, image, socket } from "./kit.ts";

Deno.test({
  ...docker.test,
  name:
    "dockerExecutor runs over TLS where the environment says so and nothing else was told, and refuses an engine whose certificate it does not trust",
  fn: () =>
    inFolder(async (folder) => {
      await using stack = new AsyncDisposableStack();
      const files = await certificates(folder);
      await using gate = new TlsFront(() => Deno.connect({ transport: "unix", path: socket }), files);
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
