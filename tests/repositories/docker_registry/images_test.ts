import assert from "node:assert/strict";
import { decodeText, encodeText } from "../../../core/bytes.ts";
import { isDatataskError } from "../../../core/errors.ts";
import { digestOf } from "../../../repositories/docker_registry/digest.ts";
import { DockerRegistryRepository, RegistryClient } from "../../../repositories/docker_registry/mod.ts";
import { pathOfDigest } from "../../../repositories/docker_registry/manifest.ts";
import { listKeys } from "../../../testing/suite.ts";
import { filesOf, imageOf, INDEX, Layout, MANIFEST } from "./layouts.ts";
import { fresh, test } from "./servers.ts";

function images(): DockerRegistryRepository {
  const { client, repository } = fresh();
  return new DockerRegistryRepository(client, { repository });
}

async function refused(code: string, text: RegExp, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert(isDatataskError(error), String(error));
    assert.match(error.message, text);
    assert.equal(error.code, code);
    return true;
  });
}

const raw = async (
  repository: DockerRegistryRepository,
  path: string,
  init: RequestInit = {},
): Promise<Response> => {
  const [host, rest] = repository.reference("x").split(/\/(.*):x$/);
  const response = await fetch(`http://${host}/v2/${rest}/${path}`, init);
  await response.body?.cancel();
  return response;
};

test("DockerRegistryRepository keeps an image as the layout that was put", async () => {
  const repository = images();
  const layout = await imageOf("layer one");
  await repository.put("v1", layout.entries());
  const files = await filesOf(await repository.entries("v1"));
  for (const [path, bytes] of layout.files) {
    if (path !== "index.json") assert.deepEqual(files.get(path), bytes, path);
  }
  assert.equal(files.size, layout.files.size);
  const put = JSON.parse(decodeText(layout.files.get("index.json")!)),
    got = JSON.parse(decodeText(files.get("index.json")!));
  assert.equal(got.manifests[0].digest, put.manifests[0].digest);
});

test("DockerRegistryRepository keeps an image for several platforms, and what it is made of", async () => {
  const repository = images();
  const layout = new Layout();
  const shared = encodeText("shared layer");
  const labels = { team: "x" };
  const amd = await layout.image([shared, encodeText("amd")], {
    architecture: "amd64",
    labels: { ...labels, for: "amd" },
  });
  const arm = await layout.image([shared, encodeText("arm")], {
    architecture: "arm64",
    labels: { ...labels, for: "arm" },
  });
  const index = await layout.json(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [amd, arm] });
  await repository.put("nested", layout.index(index).entries());
  await repository.put("flat", layout.index(amd, arm).entries());
  for (const tag of ["nested", "flat"]) {
    const info = await repository.imageInfo(tag);
    assert.equal(info.mediaType, INDEX);
    assert.deepEqual(info.labels, labels);
    assert.deepEqual(info.platforms.map(({ architecture }) => architecture).sort(), ["amd64", "arm64"]);
    assert.equal(info.created, Date.UTC(2001, 1, 3, 4, 5, 6));
    const files = await filesOf(await repository.entries(tag));
    for (const path of layout.files.keys()) {
      if (path.startsWith("blobs/") && path !== pathOfDigest(index.digest)) assert(files.has(path), path);
    }
  }
  const nested = await repository.imageInfo("nested");
  assert.equal(nested.digest, index.digest);
  const blobs = [...layout.files].filter(([path]) => path.startsWith("blobs/")).reduce(
    (sum, [, bytes]) => sum + bytes.length,
    0,
  );
  assert.equal(nested.size, blobs);
});

test("DockerRegistryRepository refuses trees that are no image, and says why", async () => {
  const repository = images();
  const layout = await imageOf("x");
  const without = (path: string, other?: string): Layout => {
    const copy = new Layout();
    for (const [name, bytes] of layout.files) if (name !== path) copy.files.set(name, bytes);
    if (path === "oci-layout") copy.files.delete(path);
    if (other !== undefined) copy.files.set(path, encodeText(other));
    return copy;
  };
  const put = (tree: Layout): Promise<void> => repository.put("v1", tree.entries());
  await refused(
    "invalid-value",
    /Cannot write "v1" of images .*: the tree is no image: it has no oci-layout; give an OCI image layout/,
    put(without("oci-layout")),
  );
  await refused("invalid-value", /it has no index\.json/, put(without("index.json")));
  await refused(
    "invalid-value",
    /its version is "9"/,
    put(without("oci-layout", '{"imageLayoutVersion":"9"}')),
  );
  await refused(
    "invalid-value",
    /index\.json names no image/,
    put(without("index.json", '{"manifests":[]}')),
  );
  await refused("invalid-value", /"index\.json" is no JSON/, put(without("index.json", "{")));
  await refused(
    "invalid-value",
    /the file "readme\.txt" has no place in it; give an OCI image layout \(oci-layout, index\.json, blobs\/\), or keep other trees with packed\(\) over artifactDriver\(\)/,
    put(without("readme.txt", "hello")),
  );
  const { digest } = await repository.put("good", layout.entries()).then(() => repository.imageInfo("good"));
  await refused("invalid-value", /it lacks the manifest sha256:/, put(without(pathOfDigest(digest))));
  const damaged = without(pathOfDigest(await digestOf(encodeText("not yet there"))), "something else");
  await refused("invalid-value", /what is called sha256:.* is sha256:.*; make the image again/, put(damaged));
  const missing = new Layout();
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: await digestOf(crypto.getRandomValues(new Uint8Array(9))),
    size: 9,
  };
  const config = await missing.json("application/vnd.oci.image.config.v1+json", {});
  missing.index(
    await missing.json(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] }),
  );
  await refused("invalid-value", /it lacks the blob sha256:/, put(missing));
  assert.deepEqual(await listKeys(repository.driver), ["good"]);
});

test("DockerRegistryRepository takes what docker save writes beside the layout", async () => {
  const repository = images();
  const layout = await imageOf("x");
  layout.files.set("manifest.json", encodeText("[]"));
  layout.files.set("repositories", encodeText("{}"));
  await repository.put("v1", layout.entries());
  assert(!(await filesOf(await repository.entries("v1"))).has("manifest.json"));
});

test("DockerRegistryRepository refuses a manifest of a kind it does not know", async () => {
  const { client, repository } = fresh();
  const old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const unknown = url.endsWith("/old") ? old : "application/vnd.example.thing.v7+json";
    return url.includes("/manifests/")
      ? new Response("{}", { headers: { "content-type": unknown } })
      : new Response("{}");
  });
  const strange = new DockerRegistryRepository(new RegistryClient(`127.0.0.1:${server.addr.port}`), {
    repository,
  });
  await refused(
    "invalid-value",
    /Cannot read "new" of .*: its manifest is of the type "application\/vnd\.example\.thing\.v7\+json", which is not known here; images and indexes/,
    strange.entries("new"),
  );
  await refused("invalid-value", /of the first generation of Docker; push it again/, strange.entries("old"));
  assert.equal(client.address.host.startsWith("127.0.0.1:"), true);
});

test("DockerRegistryRepository deletes one tag and leaves the image to the others", async () => {
  const repository = images();
  await repository.put("v1", (await imageOf("shared")).entries());
  await repository.retag("v1", "v2");
  await repository.retag("v1", "latest");
  const { digest } = await repository.imageInfo("v1");
  assert.deepEqual(await repository.tagsOf(digest), ["latest", "v1", "v2"]);
  await repository.delete("v1");
  assert.equal(await repository.has("v1"), false);
  assert.deepEqual(await listKeys(repository.driver), ["latest", "v2"]);
  assert.equal((await repository.imageInfo("v2")).digest, digest);
  await repository.delete("v1");
  await Promise.all(["v2", "latest"].map((tag) => repository.delete(tag)));
  assert.deepEqual(await listKeys(repository.driver), []);
  await repository.put("v1", (await imageOf("shared")).entries());
  assert.equal((await repository.imageInfo("v1")).digest, digest);
});

test("DockerRegistryRepository deletes an image only with all its tags named", async () => {
  const repository = images();
  await repository.put("v1", (await imageOf("shared")).entries());
  await repository.retag("v1", "v2");
  const { digest } = await repository.imageInfo("v1");
  await refused(
    "conflict",
    /Cannot delete images .*: sha256:.* is also what v2 points to, and would go with it; delete a tag by its name, or name all of them/,
    repository.deleteImage(digest, { tags: ["v1"] }),
  );
  assert.deepEqual(await listKeys(repository.driver), ["v1", "v2"]);
  await repository.deleteImage(digest, { tags: ["v1", "v2"] });
  await repository.deleteImage(digest, { tags: [] });
  assert.deepEqual(await listKeys(repository.driver), []);
  await refused(
    "invalid-value",
    /"v1" is no digest; write sha256:/,
    repository.deleteImage("v1", { tags: [] }),
  );
});

test("DockerRegistryRepository hides and finishes deletions that were cut off", async () => {
  const repository = images();
  await repository.put("keep", (await imageOf("keep")).entries());
  await repository.put("gone", (await imageOf("gone")).entries());
  // Cut off after the tag was moved and before the stand-in was deleted: the registry's answer to that never comes.
  const target = new URL(`http://${repository.reference("x").split("/")[0]}`);
  let cut = 0;
  await using proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    url.host = target.host;
    const tagged = await fetch(`${target.origin}${url.pathname.replace(/manifests\/.*/, "tags/list")}`);
    const marked = (await tagged.text()).includes("_deleting-");
    if (request.method === "DELETE" && marked && ++cut) return new Response(null, { status: 503 });
    const body = request.method === "PUT" || request.method === "PATCH" ? await request.bytes() : undefined;
    return await fetch(url, { method: request.method, headers: request.headers, ...(body && { body }) });
  });
  const name = repository.reference("x").replace(/^[^/]*\//, "").replace(/:x$/, "");
  const broken = new DockerRegistryRepository(new RegistryClient(`127.0.0.1:${proxy.addr.port}`), {
    repository: name,
  });
  await refused(
    "unavailable",
    /Cannot delete "gone" of .*: 127\.0\.0\.1:\d+ answered 503; see that it is well, and run again/,
    broken.delete("gone"),
  );
  assert.equal(cut, 1);
  assert.deepEqual(await listKeys(repository.driver), ["keep"]);
  assert.equal(await repository.has("gone"), false);
  await assert.rejects(repository.entries("gone"), /there is no such key/);
  await repository.prepare();
  assert.equal((await raw(repository, "manifests/gone")).status, 404);
  assert.deepEqual(await listKeys(repository.driver), ["keep"]);
  await refused("unavailable", /503/, broken.delete("keep"));
  await repository.put("keep", (await imageOf("again")).entries());
  assert.deepEqual(await listKeys(repository.driver), ["keep"], "a key that was written again is there");
  await repository.prepare();
  assert.deepEqual(await listKeys(repository.driver), ["keep"]);
});

test("DockerRegistryRepository copies images between image repositories", async () => {
  const from = images(), to = images();
  await from.put("v1", (await imageOf("copied")).entries());
  await from.copy("v1", to);
  await from.copy("v1", to, { as: "v2" });
  assert.deepEqual(await listKeys(to.driver), ["v1", "v2"]);
  assert.equal((await to.imageInfo("v2")).digest, (await from.imageInfo("v1")).digest);
  await refused("not-found", /Cannot copy "v9" of images .*: there is no such tag/, from.copy("v9", to));
  await refused("not-found", /Cannot copy "v9" of images/, from.retag("v9", "v1"));
  await refused("not-found", /Cannot look up "v9" of images/, from.imageInfo("v9"));
  await refused("invalid-key", /Cannot look up "a\/b" of images/, from.imageInfo("a/b"));
});

test("DockerRegistryRepository skips tags that are no keys, with a warning", async () => {
  const repository = images();
  await repository.put("v1", (await imageOf("x")).entries());
  const { digest, mediaType } = await repository.imageInfo("v1");
  const bytes = (await filesOf(await repository.entries("v1"))).get(pathOfDigest(digest))!;
  for (const tag of ["_hidden", "v1.-"]) {
    assert.equal(
      (await raw(repository, `manifests/${tag}`, {
        method: "PUT",
        body: bytes,
        headers: { "content-type": mediaType },
      })).status,
      201,
    );
  }
  const skipped: string[] = [];
  assert.deepEqual(
    await Array.fromAsync(repository.keys({ onSkipped: (_, names) => skipped.push(...names) })),
    ["v1"],
  );
  assert.deepEqual(skipped.sort(), ["_hidden", "v1.-"]);
});

test("DockerRegistryRepository follows a registry from page to page", async () => {
  const all = Array.from({ length: 25 }, (_, i) => `v${String(i).padStart(2, "0")}`);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const { searchParams, pathname } = new URL(url);
    const rest = all.filter((tag) => tag > (searchParams.get("last") ?? "")).slice(0, 10);
    const last = rest.at(-1);
    const link = last && last !== all.at(-1) ? { link: `<${pathname}?last=${last}&n=10>; rel="next"` } : {};
    return Response.json({ name: "x", tags: rest.length === 0 ? null : rest }, {
      headers: link as Record<string, string>,
    });
  });
  const repository = new DockerRegistryRepository(new RegistryClient(`127.0.0.1:${server.addr.port}`), {
    repository: "x",
  });
  assert.deepEqual(await listKeys(repository.driver), all);
});

test("DockerRegistryRepository sees content that is not what its digest says", async () => {
  const repository = images();
  const layout = await imageOf("0123456789");
  await repository.put("v1", layout.entries());
  const target = `http://${repository.reference("x").split("/")[0]}`;
  const name = repository.reference("x").replace(/^[^/]*\//, "").replace(/:x$/, "");
  const layer = await digestOf(encodeText("0123456789"));
  let lie = "9876543210";
  await using proxy = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    ({ url, method, headers }) =>
      url.endsWith(layer) ? new Response(lie) : fetch(target + new URL(url).pathname, { method, headers }),
  );
  const lying = new DockerRegistryRepository(new RegistryClient(`127.0.0.1:${proxy.addr.port}`), {
    repository: name,
  });
  await refused(
    "io",
    /Cannot read "v1" of .*: what came as sha256:.* is sha256:.*; it is damaged/,
    lying.entries("v1").then(filesOf),
  );
  lie = "0123";
  await refused("io", /sha256:.* has 10 bytes, and 4 came; read it again/, lying.entries("v1").then(filesOf));
});
