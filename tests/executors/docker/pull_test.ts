import assert from "node:assert/strict";
import { encodeText } from "../../../core/bytes.ts";
import { describeError, isDatataskError } from "../../../core/errors.ts";
import { createTarPacker } from "../../../deps/modern_tar.ts";
import type { DockerExecutorOptions } from "../../../executors/docker/mod.ts";
import { api, docker, opened, work } from "./kit.ts";

const attempt = { task: "t", job: "one", replica: 0, attempt: 1 };

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `sha256:${new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex()}`;
}

/** An image with one small file in it. */
async function smallImage(): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  const { readable, controller } = createTarPacker();
  const text = encodeText(crypto.randomUUID());
  const writer = controller.add({ name: "etc/small", size: text.length }).getWriter();
  const written = writer.write(text).then(() => writer.close()).then(() => controller.finalize());
  const tar = new Uint8Array(
    await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer(),
  );
  await written;
  const gzip = new Blob([tar]).stream().pipeThrough(new CompressionStream("gzip"));
  const layer = new Uint8Array(await new Response(gzip).arrayBuffer());
  const config = encodeText(JSON.stringify({
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [await digest(tar)] },
  }));
  const type = "application/vnd.docker.";
  const manifest = encodeText(JSON.stringify({
    schemaVersion: 2,
    mediaType: `${type}distribution.manifest.v2+json`,
    config: {
      mediaType: `${type}container.image.v1+json`,
      size: config.length,
      digest: await digest(config),
    },
    layers: [{
      mediaType: `${type}image.rootfs.diff.tar.gzip`,
      size: layer.length,
      digest: await digest(layer),
    }],
  }));
  return new Map([
    ["/v2/small/manifests/1", manifest],
    [`/v2/small/manifests/${await digest(manifest)}`, manifest],
    [`/v2/small/blobs/${await digest(config)}`, config],
    [`/v2/small/blobs/${await digest(layer)}`, layer],
  ]);
}

/** A registry that holds one image, for those who log in as `ann`. */
async function registry(
  stack: AsyncDisposableStack,
): Promise<{ readonly host: string; readonly manifests: string[] }> {
  const image = await smallImage();
  const manifests: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    if (request.headers.get("authorization") !== `Basic ${btoa("ann:it's:secret")}`) {
      const headers = {
        "www-authenticate": 'Basic realm="registry"',
        "docker-distribution-api-version": "registry/2.0",
      };
      return Response.json({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }, {
        status: 401,
        headers,
      });
    }
    const { pathname } = new URL(request.url);
    if (pathname === "/v2/") return Response.json({});
    if (pathname.includes("/manifests/")) manifests.push(`${request.method} ${pathname}`);
    const bytes = image.get(pathname);
    if (!bytes) {
      return Response.json({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }, {
        status: 404,
      });
    }
    const headers = pathname.includes("/manifests/")
      ? {
        "content-type": "application/vnd.docker.distribution.manifest.v2+json",
        "content-length": String(bytes.length),
        "docker-content-digest": await digest(bytes),
      }
      : { "content-type": "application/octet-stream", "content-length": String(bytes.length) };
    return new Response(bytes, { headers });
  });
  stack.defer(() => server.shutdown());
  return { host: `127.0.0.1:${server.addr.port}`, manifests };
}

async function login(stack: AsyncDisposableStack, host: string): Promise<DockerExecutorOptions> {
  const path = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(path));
  await Deno.writeTextFile(path, JSON.stringify({ auths: { [host]: { auth: btoa("ann:it's:secret") } } }));
  return { registryAuth: path };
}

Deno.test({
  ...docker.test,
  name: "dockerExecutor pulls what is missing, each image once, with the login that docker has",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { host, manifests } = await registry(stack);
    const { executor } = await opened(stack, await login(stack, host));
    const image = `${host}/small:1`;
    stack.defer(() => api<void>("DELETE", `/images/${image}`).catch(() => {}));
    const start = (job: string): Promise<void> =>
      executor.start({ ...attempt, job }, work(":", { image }), { quota: {} });
    const tried = await Promise.allSettled([start("a"), start("b"), start("c")]);
    // It was pulled, or the engine would not know what is in it.
    for (const each of tried) {
      assert(each.status === "rejected");
      assert.match(each.reason.message, /has no program \/bin\/sh/);
    }
    const pulls = manifests.length;
    assert(pulls > 0 && pulls <= 2, manifests.join());
    await assert.rejects(start("d"), /has no program/);
    assert.equal(manifests.length, pulls, "what is there is not pulled again");
    await assert.rejects(
      executor.start(attempt, work(":", { image, pull: "always" }), { quota: {} }),
      /has no program/,
    );
    assert(manifests.length > pulls, "always means always");
  },
});

Deno.test({
  ...docker.test,
  name: "dockerExecutor says that a pull was denied, that there is no such image, that the registry is away",
  async fn() {
    await using stack = new AsyncDisposableStack();
    const { host } = await registry(stack);
    const start = async (image: string, options: DockerExecutorOptions): Promise<unknown> => {
      const { executor } = await opened(stack, options);
      return await executor.start(attempt, work(":", { image }), { quota: {} }).then(
        () => undefined,
        (error) => error,
      );
    };
    const denied = await start(`${host}/small:1`, { registryAuth: "/no/such/config.json" });
    assert(isDatataskError(denied, "cannot-start"), String(denied));
    assert.match(
      denied.message,
      /the image 127\S+\/small:1 may not be pulled \(.*\); check the name, or log in with "docker login 127/,
    );
    assert(!denied.message.includes("secret"));
    const unknown = await start(`${host}/other:2`, await login(stack, host));
    assert(isDatataskError(unknown, "cannot-start"), String(unknown));
    assert.match(unknown.message, /the image 127\S+\/other:2 does not exist \(.*\); check its name and tag/);
    const away = await start("127.0.0.1:1/small:1", {});
    assert(isDatataskError(away, "unavailable"), String(away));
    assert.match(away.message, /cannot be pulled \(.*\); see that 127\.0\.0\.1:1 can be reached/);
    assert.equal(describeError(away), away.message, "what lies beneath says nothing more");
  },
});
