/** Who one is in a cluster, by certificates that lie in files and that a program gives. */
import assert from "node:assert/strict";
import { load } from "../../../deps/js_yaml.ts";
import { kubernetesExecutor } from "../../../executors/kubernetes/mod.ts";
import { inFolder } from "../../kit/folder.ts";
import { refuses } from "../../kit/refuses.ts";
import { clusterTest, config } from "./cluster.ts";
import { freshState, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

clusterTest(
  "kubernetesExecutor() proves who it is by certificates in files, and by those that a program gives",
  ({ namespace, stack }) =>
    inFolder(async (folder) => {
      const { clusters: [{ cluster }], users: [{ user }] } = load(
        Deno.readTextFileSync(config),
      ) as unknown as {
        readonly clusters: readonly [
          { readonly cluster: { readonly server: string; readonly "certificate-authority-data": string } },
        ];
        readonly users: readonly [
          {
            readonly user: { readonly "client-certificate-data": string; readonly "client-key-data": string };
          },
        ];
      };
      const certificate = atob(user["client-certificate-data"]), key = atob(user["client-key-data"]);
      await Deno.mkdir(`${folder}/pki`);
      await Deno.writeTextFile(`${folder}/pki/ca.crt`, atob(cluster["certificate-authority-data"]));
      await Deno.writeTextFile(`${folder}/pki/me.crt`, certificate);
      await Deno.writeTextFile(`${folder}/pki/me.key`, key);
      const status = { clientCertificateData: certificate, clientKeyData: key };
      await Deno.writeTextFile(
        `${folder}/credential`,
        JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status }),
      );
      await Deno.writeTextFile(
        `${folder}/login`,
        `#!/bin/sh\nprintf 'asked\\n' >>"$0.log"\nexec cat "$1"\n`,
      );
      await Deno.chmod(`${folder}/login`, 0o755);
      const exec = {
        apiVersion: "client.authentication.k8s.io/v1",
        command: `${folder}/login`,
        args: [`${folder}/credential`],
        interactiveMode: "Never",
      };
      const users = {
        files: { "client-certificate": "pki/me.crt", "client-key": "pki/me.key" },
        program: { exec },
        nobody: {},
      };
      const kubeconfig = `${folder}/config`;
      await Deno.writeTextFile(
        kubeconfig,
        JSON.stringify({
          clusters: [{
            name: "c",
            cluster: { server: cluster.server, "certificate-authority": "pki/ca.crt" },
          }],
          users: Object.entries(users).map(([name, user]) => ({ name, user })),
          contexts: Object.keys(users).map((name) => ({ name, context: { cluster: "c", user: name } })),
        }),
      );
      const made = (context: string) =>
        kubernetesExecutor({ kubeconfig, context, namespace, patienceMs: 1000 });
      for (const context of ["files", "program"]) {
        const executor = made(context);
        await executor.open({ state: freshState(stack) });
        stack.defer(() => executor.close());
        await executor.start(attempt, work(`echo ${context}`), { quota: {} });
        const status = await executor.wait(attempt);
        assert(status.state === "finished" && status.exitCode === 0, JSON.stringify(status));
        assert.equal(await new Response(await executor.logs(attempt)).text(), `${context}\n`);
        await executor.forget(attempt);
      }
      assert.match(await Deno.readTextFile(`${folder}/login.log`), /^(asked\n)+$/);
      const nobody = made("nobody");
      await refuses(nobody.open({ state: freshState(stack) }), "denied", /401|403|anonymous/);
      await nobody.close();
    }),
);
