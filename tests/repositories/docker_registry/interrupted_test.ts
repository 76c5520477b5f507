/** Listings and reads of a registry that are interrupted half-way: the whole, or an error, and never a part that looks whole. */
import assert from "node:assert/strict";
import { isDatataskError } from "../../../core/errors.ts";
import { ArtifactRepository, RegistryClient } from "../../../repositories/docker_registry/mod.ts";
import { inParallel, listKeys } from "../../../testing/suite.ts";
import { ownRegistry, ownTest } from "./servers.ts";

const TAGS = Array.from({ length: 12 }, (_, i) => `key-${String(i).padStart(2, "0")}`);

function isUnavailable(error: unknown): true {
  assert(isDatataskError(error, "unavailable"), String(error));
  assert.match(error.message, /^Cannot (list|read) /);
  assert.equal(error.context.retry, "later");
  return true;
}

/**
 * A registry with some tags, behind a proxy that gives them five at a time: this one gives all at once, as its API allows, others do not. `cut`
 * says how many of the pages after the first are to break off in their midst.
 */
async function paged(stack: AsyncDisposableStack) {
  const server = await ownRegistry(stack);
  const direct = new ArtifactRepository(new RegistryClient(server.url), { repository: "a" });
  await inParallel(TAGS, 4, (tag) => direct.put(tag, "value"));
  const proxy = { cut: 0 };
  const served = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async ({ url, headers }) => {
    const { pathname, searchParams } = new URL(url);
    const answer = await fetch(server.url + pathname, { headers }).catch(() => undefined);
    if (!answer?.ok || !pathname.endsWith("/tags/list")) return answer ?? new Response(null, { status: 502 });
    const { tags } = await answer.json() as { readonly tags: string[] };
    const last = searchParams.get("last");
    const page = tags.sort().filter((tag) => last === null || tag > last).slice(0, 5);
    const more = page.at(-1) !== tags.at(-1);
    const link = more ? { link: `<${pathname}?last=${page.at(-1)}&n=5>; rel="next"` } : {};
    const text = JSON.stringify({ name: "a", tags: page });
    if (!last?.startsWith("key-") || proxy.cut-- <= 0) {
      return new Response(text, { headers: link as HeadersInit });
    }
    // Fewer bytes come than were announced: the connection breaks.
    const half = new Blob([text.slice(0, text.length / 2)]).stream();
    return new Response(half, { headers: { ...link, "content-length": `${text.length}` } });
  });
  stack.use(served);
  const client = new RegistryClient(`http://127.0.0.1:${served.addr.port}`);
  return { server, proxy, artifacts: new ArtifactRepository(client, { repository: "a" }) };
}

ownTest(
  "a listing of a registry that loses a page in its midst is an error, and whole the next time",
  async (stack) => {
    const { proxy, artifacts } = await paged(stack);
    proxy.cut = 1;
    await assert.rejects(
      listKeys(artifacts.driver),
      (error) =>
        isUnavailable(error) &&
        /: the connection to \S+ broke while a list of tags was read; see that it is well, and run again$/
          .test((error as Error).message),
    );
    assert.equal(proxy.cut, 0, "no page was lost");
    assert.deepEqual(await listKeys(artifacts.driver), TAGS);
  },
);

ownTest(
  "a listing of a registry that is killed in its midst is an error, or goes on where it was",
  async (stack) => {
    const { server, artifacts } = await paged(stack);
    const listed = async (half: () => Promise<void>): Promise<string[]> => {
      const keys: string[] = [];
      for await (const page of artifacts.pages()) {
        if (keys.length === 0) await half();
        keys.push(...page);
      }
      return keys.sort();
    };
    await assert.rejects(listed(() => server.kill()), isUnavailable);
    await server.start();
    const again = async (): Promise<void> => {
      await server.kill();
      await server.start();
    };
    assert.deepEqual(await listed(again), TAGS);
  },
);

ownTest(
  "a value of a registry that is killed while it is read ends with an error, and is whole the next time",
  async (stack) => {
    const server = await ownRegistry(stack);
    const artifacts = new ArtifactRepository(new RegistryClient(server.url), { repository: "a" });
    const size = 48 * 2 ** 20;
    await artifacts.put("large", new Uint8Array(size).fill(7));
    const read = async (half: () => Promise<void>): Promise<number> => {
      let seen = 0;
      let killed = false;
      for await (const chunk of await artifacts.open("large")) {
        seen += chunk.length;
        if (killed || seen < 2 ** 20) continue;
        killed = true;
        await half();
      }
      return seen;
    };
    await assert.rejects(read(() => server.kill()), isUnavailable);
    await server.start();
    assert.equal(await read(() => Promise.resolve()), size);
  },
);

Deno.test("a listing of a registry that is no JSON is an error that says so", async () => {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    return new Response("<html></html>");
  });
  const client = new RegistryClient(`http://127.0.0.1:${server.addr.port}`);
  const artifacts = new ArtifactRepository(client, { repository: "a" });
  await assert.rejects(listKeys(artifacts.driver), {
    code: "io",
    message: new RegExp(
      `^Cannot list .*: what 127\\.0\\.0\\.1:${server.addr.port} gave as a list of tags is no JSON; see what answers there$`,
    ),
  });
});
