/**
 * Values that are asked for at the agent, as a store of byte streams: what is cut is gone on with, as long as it is the same version.
 *
 * @module
 */
import { type Bytes, concat } from "../../core/bytes.ts";
import { RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { BlobDriver, OperationOptions } from "../../repositories/driver.ts";
import { type AgentClient, CUT, isCut, type Patience } from "./agent.ts";

/** A stream that was cut, and cannot be gone on with. */
class Broken extends Error {}

/**
 * The values of a link.
 *
 * @param agent The agent.
 * @param link The name of the link, or of one that goes with it: `pages.meta`.
 * @param name What errors call the repository.
 * @returns A store that can be read.
 */
export function agentValues(agent: AgentClient, link: string, name: string): BlobDriver {
  const part = encodeURIComponent(link);
  const read = async (
    key: Key,
    options: OperationOptions = {},
  ): Promise<ReadableStream<Bytes> | undefined> => {
    const doing = `read "${key}" of ${name}`;
    const path = `/in/${part}/${key}`;
    const { signal } = options;
    const response = await agent.ask(path, { doing, signal, accept: [404] });
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    return resumed(response, () => agent.patience({ doing, signal }), async (at, tag) => {
      const headers: Record<string, string> = tag === null ? {} : { Range: `bytes=${at}-`, "If-Range": tag };
      const answer = await agent.ask(path, { doing, signal, headers, accept: [404, 416] });
      // Of what nothing was used yet, any version will do.
      if (at === 0 && answer.ok) return answer;
      if (answer.headers.get("content-range")?.startsWith(`bytes ${at}-`)) return answer;
      await answer.body?.cancel();
      throw new Broken();
    });
  };
  return {
    name,
    identity: `agent:${link}`,
    supports: {
      writable: false,
      consistentListing: true,
      reach: "network",
      durable: true,
      conditional: false,
      ranges: false,
    },
    async *keys({ signal } = {}) {
      const doing = `list ${name}`;
      const seen = new Set<string>();
      const wait = agent.patience({ doing, signal });
      for (;;) {
        const { body } = await agent.ask(`/keys/${part}`, { doing, signal });
        try {
          for await (const page of linesOf(body!)) {
            const fresh = page.filter((key) => !seen.has(key));
            for (const key of fresh) seen.add(key);
            if (fresh.length > 0) yield fresh;
          }
          return;
        } catch (error) {
          // A listing has no order in which it could go on: it begins anew.
          if (!isCut(error)) throw error;
          await wait(CUT);
        }
      }
    },
    async has(key, { signal } = {}) {
      const request = {
        method: "HEAD",
        doing: `look up "${key}" of ${name}`,
        signal,
        accept: [404],
      } as const;
      return (await agent.tell(`/in/${part}/${key}`, request)).status !== 404;
    },
    read,
    async readBytes(key, options) {
      const wait = agent.patience({ doing: `read "${key}" of ${name}`, signal: options?.signal });
      for (;;) {
        const stream = await read(key, options);
        if (stream === undefined) return undefined;
        try {
          return concat(await Array.fromAsync(stream));
        } catch (error) {
          // Nothing of it was used: it is read again from its beginning.
          if (!(error instanceof RepositoryError && error.cause instanceof Broken)) throw error;
          await wait(CUT);
        }
      }
    },
    write: () => Promise.reject(new Error("It is there to be read")),
    delete: () => Promise.reject(new Error("It is there to be read")),
  };

  /** The body of an answer, gone on with as often as it is cut; with patience that begins anew whenever something has come. */
  function resumed(
    first: Response,
    patience: () => Patience,
    again: (at: number, tag: string | null) => Promise<Response>,
  ): ReadableStream<Bytes> {
    let tag = first.headers.get("etag");
    let at = 0;
    let wait: Patience | undefined;
    let reader = first.body!.getReader();
    return new ReadableStream<Bytes>({
      async pull(controller) {
        for (;;) {
          try {
            const { done, value } = await reader.read();
            if (done) return controller.close();
            at += value.length;
            wait = undefined;
            return controller.enqueue(value);
          } catch (error) {
            if (!isCut(error)) throw error;
            await (wait ??= patience())(CUT);
            reader = (await goOn(error)).body!.getReader();
          }
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });

    async function goOn(cut: unknown): Promise<Response> {
      try {
        if (tag === null && at > 0) throw new Broken((cut as Error).message);
        const answer = await again(at, tag);
        tag = answer.headers.get("etag");
        return answer;
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        throw new RepositoryError(
          "conflict",
          `Cannot read on in a value of ${name}: the connection was cut, and the value is not the same any more; read it again`,
          { operation: "read", subject: name, cause: error },
        );
      }
    }
  }
}

/** The lines of a stream, as many at a time as have come. */
async function* linesOf(stream: ReadableStream<Bytes>): AsyncGenerator<readonly string[], void, void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    yield lines;
  }
}
