/**
 * How a value is encrypted: its own key, sealed by a named one, and then chunks that are sealed by its own.
 *
 * ```text
 * 0    8   "dtseal01"
 * 8   32   the name of the key, filled up with zeros
 * 40  12   a nonce
 * 52  48   the value's own key, by AES-256-GCM with the named key and this nonce; the 40 bytes before count as additional data
 * 100      chunks of 65,536 bytes and their tags of 16 bytes; the last may be shorter, or empty
 * ```
 *
 * The chunks are sealed as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance): the nonce is the number of the chunk, in 11 bytes, and 1 for the last chunk or 0 for others. So a value that was cut
 * short, or whose chunks were exchanged, does not open. A value's own key is made for one write, so that no nonce is used twice with it.
 *
 * @module
 */
import { type Bytes, concat, decodeText, encodeText } from "../../core/bytes.ts";
import { piecesOf } from "../stream_pieces.ts";

const MAGIC = encodeText("dtseal01");
const NAME = 32;
const NONCE = 12;
const TAG = 16;
const OWN_KEY = 32;

/** What goes before the chunks, in bytes. */
const HEADER = MAGIC.length + NAME + NONCE + OWN_KEY + TAG;

/** How much a chunk holds, in bytes. */
const CHUNK = 2 ** 16;

/** How many chunks are under way at a time. */
const ABREAST = 4;

const AES = "AES-GCM";

/** Why a value does not open. */
export type Flaw =
  | { readonly kind: "not-sealed" }
  | { readonly kind: "unknown-key"; readonly name: string }
  | { readonly kind: "wrong-key"; readonly name: string }
  | { readonly kind: "cut-short" }
  | { readonly kind: "changed" };

/** A value does not open. */
export class SealError extends Error {
  /** Why. */
  readonly flaw: Flaw;

  /** @param flaw Why. */
  constructor(flaw: Flaw) {
    super(flaw.kind);
    this.flaw = flaw;
  }
}

/**
 * How much a value has, by how much is stored of it.
 *
 * @param stored What is stored, in bytes.
 * @returns What was written, in bytes; nothing when no value is stored in so many bytes.
 */
export function sizeOpened(stored: number): number | undefined {
  const sealed = stored - HEADER;
  const opened = sealed - Math.ceil(sealed / (CHUNK + TAG)) * TAG;
  return sealed < TAG || opened < 0 ? undefined : opened;
}

/**
 * Seals a value.
 *
 * @param chunks The value, in chunks of any size.
 * @param name The name of the key.
 * @param key The key.
 * @param place What the value is of; it opens nowhere else.
 * @returns What is to be stored. Holds a few chunks at a time.
 */
export async function* sealed(
  chunks: AsyncIterable<Bytes>,
  name: string,
  key: CryptoKey,
  place: Bytes,
): AsyncGenerator<Bytes, void, void> {
  const own = crypto.getRandomValues(new Uint8Array(OWN_KEY));
  const named = new Uint8Array(MAGIC.length + NAME);
  named.set(MAGIC);
  named.set(encodeText(name), MAGIC.length);
  const iv = crypto.getRandomValues(new Uint8Array(NONCE));
  const ownSealed = await crypto.subtle.encrypt({ name: AES, iv, additionalData: named }, key, own);
  const ownKey = await crypto.subtle.importKey("raw", own, AES, false, ["encrypt"]);
  yield concat([named, iv, new Uint8Array(ownSealed)]);
  yield* inOrder(
    piecesOf(chunks, CHUNK),
    async (chunk, number, last) =>
      new Uint8Array(await crypto.subtle.encrypt(parameters(number, last, place), ownKey, chunk)),
  );
}

/**
 * Opens a value.
 *
 * @param chunks What is stored, in chunks of any size.
 * @param keyOf The key of a name, where it is known.
 * @param place What the value must be of.
 * @returns The value, in chunks, each of which is as it was written. Only at its end is it known that none is missing.
 * @throws {SealError} When it does not open.
 */
export async function* opened(
  chunks: AsyncGenerator<Bytes, void, void>,
  keyOf: (name: string) => Promise<CryptoKey> | undefined,
  place: Bytes,
): AsyncGenerator<Bytes, void, void> {
  const [header, rest] = await split(chunks);
  const ownKey = await ownKeyOf(header, keyOf);
  const open = async (chunk: Bytes, number: number, last: boolean): Promise<Bytes | undefined> => {
    try {
      return new Uint8Array(await crypto.subtle.decrypt(parameters(number, last, place), ownKey, chunk));
    } catch {
      return undefined;
    }
  };
  yield* inOrder(piecesOf(rest, CHUNK + TAG), async (chunk, number, last) => {
    const found = await open(chunk, number, last);
    if (found) return found;
    const cut = last && (chunk.length === 0 || await open(chunk, number, false) !== undefined);
    throw new SealError({ kind: cut ? "cut-short" : "changed" });
  });
}

/** Does something with each chunk and its number, a few of them abreast, since it is done on other threads; nothing that is empty is given. */
async function* inOrder(
  chunks: AsyncIterable<Bytes>,
  call: (chunk: Bytes, number: number, last: boolean) => Promise<Bytes>,
): AsyncGenerator<Bytes, void, void> {
  const begun: Promise<Bytes>[] = [];
  const begin = (chunk: Bytes, number: number, last: boolean): void => {
    const done = call(chunk, number, last);
    // Its error is met when it is its turn, or not at all.
    done.catch(() => {});
    begun.push(done);
  };
  let held: Bytes | undefined;
  let number = 0;
  try {
    for await (const chunk of chunks) {
      if (held) begin(held, number++, false);
      held = chunk;
      if (begun.length === ABREAST) yield await begun.shift()!;
    }
    begin(held ?? new Uint8Array(), number, true);
    for (const each of begun) {
      const done = await each;
      if (done.length > 0) yield done;
    }
  } finally {
    await Promise.allSettled(begun);
  }
}

function parameters(number: number, last: boolean, additionalData: Bytes): AesGcmParams {
  const iv = new Uint8Array(NONCE);
  new DataView(iv.buffer).setBigUint64(NONCE - 9, BigInt(number));
  iv[NONCE - 1] = last ? 1 : 0;
  return { name: AES, iv, additionalData };
}

async function ownKeyOf(
  header: Bytes,
  keyOf: (name: string) => Promise<CryptoKey> | undefined,
): Promise<CryptoKey> {
  if (MAGIC.some((byte, i) => header[i] !== byte)) throw new SealError({ kind: "not-sealed" });
  if (header.length < HEADER) throw new SealError({ kind: "cut-short" });
  const named = header.subarray(0, MAGIC.length + NAME);
  const name = decodeText(named.subarray(MAGIC.length)).replace(/\0+$/, "");
  const key = await keyOf(name);
  if (!key) throw new SealError({ kind: "unknown-key", name });
  const iv = header.subarray(named.length, named.length + NONCE);
  try {
    const own = await crypto.subtle.decrypt(
      { name: AES, iv, additionalData: named },
      key,
      header.subarray(named.length + NONCE),
    );
    return await crypto.subtle.importKey("raw", own, AES, false, ["decrypt"]);
  } catch {
    throw new SealError({ kind: "wrong-key", name });
  }
}

/** The header, and what comes after it. */
async function split(
  chunks: AsyncGenerator<Bytes, void, void>,
): Promise<readonly [header: Bytes, rest: AsyncGenerator<Bytes, void, void>]> {
  const held: Bytes[] = [];
  for (let length = 0; length < HEADER;) {
    const { done, value } = await chunks.next();
    if (done) break;
    held.push(value);
    length += value.length;
  }
  const start = concat(held);
  return [
    start.subarray(0, HEADER),
    (async function* () {
      yield start.subarray(HEADER);
      yield* chunks;
    })(),
  ];
}
