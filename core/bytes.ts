/**
 * Bytes and streams of them.
 *
 * @module
 */

/** Bytes, as streams and bodies want them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A value on its way into a repository: all of its bytes, or a stream of them. */
export type Content = Bytes | ReadableStream<Bytes>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a text, in UTF-8. */
export function encodeText(text: string): Bytes {
  return encoder.encode(text);
}

/** The text of bytes in UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Joins chunks. */
export function concat(chunks: readonly Uint8Array[]): Bytes {
  if (chunks.length === 1 && chunks[0]!.buffer instanceof ArrayBuffer) return chunks[0] as Bytes;
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Reads a stream to its end. */
export async function readAll(content: Content, signal?: AbortSignal): Promise<Bytes> {
  if (content instanceof Uint8Array) return content;
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) {
    signal?.throwIfAborted();
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** A stream of content, whichever form it has. */
export function toStream(content: Content): ReadableStream<Bytes> {
  if (!(content instanceof Uint8Array)) return content;
  return new ReadableStream<Bytes>({
    type: "bytes",
    start(controller) {
      if (content.length > 0) controller.enqueue(content.slice());
      controller.close();
    },
  });
}

/**
 * A stream of what a generator yields. When nobody reads on, the generator is called off in the middle of what it waits for.
 *
 * @param chunks Begins to yield; the signal says when to stop.
 * @param signal When to stop.
 * @returns The stream.
 */
export function streamOf(
  chunks: (signal: AbortSignal) => AsyncGenerator<Bytes, void, void>,
  signal?: AbortSignal,
): ReadableStream<Bytes> {
  const left = new AbortController();
  const source = chunks(signal ? AbortSignal.any([signal, left.signal]) : left.signal);
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      left.abort(reason ?? new DOMException("Nobody reads on", "AbortError"));
      await source.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
}
