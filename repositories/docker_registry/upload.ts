/**
 * Sending blobs to a registry: small ones at once, large ones in pieces, checked by their digest on both sides.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { piecesOf } from "../stream_pieces.ts";
import type { RegistryClient } from "./client.ts";
import { hasher } from "./digest.ts";
import { RegistryFault } from "./fault.ts";

/** How much is in memory and on its way at a time, in bytes. */
export const PIECE: number = 8 * 2 ** 20;

/** Where a blob goes. */
export interface UploadTarget {
  /** Which registry. */
  readonly client: RegistryClient;
  /** Which image repository. */
  readonly repository: string;
  /** When to stop. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a blob. It is there only when the registry has it whole.
 *
 * @param target Where it goes.
 * @param content Its bytes, in pieces of any size.
 * @param expected Its digest, where it is known beforehand.
 * @returns Its digest and its size in bytes.
 * @throws {RegistryFault} With code `invalid-value` when the content is not what the digest says.
 */
export async function uploadBlob(
  target: UploadTarget,
  content: AsyncIterable<Bytes>,
  expected?: string,
): Promise<{ readonly digest: string; readonly size: number }> {
  const hash = await hasher(expected?.split(":")[0]);
  let place: string | undefined;
  let sent = 0;
  let last: Bytes = new Uint8Array(0);
  try {
    for await (const piece of piecesOf(content, PIECE)) {
      hash.update(piece);
      if (last.length > 0) {
        place = await sendPiece(target, place ?? await begin(target), last, sent);
        sent += last.length;
      }
      last = piece;
    }
    const digest = hash.digest();
    if (expected !== undefined && digest !== expected) {
      throw new RegistryFault(
        "invalid-value",
        `what is called ${expected} is ${digest}; make the image again`,
      );
    }
    place ??= await begin(target);
    if (sent > 0) place = await sendPiece(target, place, last, sent);
    await finish(target, place, digest, sent > 0 ? undefined : last);
    return { digest, size: sent + last.length };
  } catch (error) {
    if (place !== undefined) await giveUp(target, place);
    throw error;
  }
}

function access({ repository }: UploadTarget): { readonly repository: string; readonly actions: string } {
  return { repository, actions: "pull,push" };
}

async function begin(target: UploadTarget): Promise<string> {
  const { client, repository, signal } = target;
  const response = await client.request({
    method: "POST",
    path: `/v2/${repository}/blobs/uploads/`,
    access: access(target),
    signal,
  });
  return await placeOf(response);
}

async function sendPiece(target: UploadTarget, place: string, piece: Bytes, at: number): Promise<string> {
  const response = await target.client.request({
    method: "PATCH",
    path: place,
    access: access(target),
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${at}-${at + piece.length - 1}`,
    },
    body: piece,
    signal: target.signal,
  });
  return await placeOf(response);
}

async function finish(
  target: UploadTarget,
  place: string,
  digest: string,
  body: Bytes | undefined,
): Promise<void> {
  const response = await target.client.request({
    method: "PUT",
    path: `${place}${place.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`,
    access: access(target),
    headers: { "content-type": "application/octet-stream" },
    body,
    signal: target.signal,
  });
  await response.body?.cancel();
  const stored = response.headers.get("docker-content-digest");
  if (stored !== null && stored !== digest) {
    throw new RegistryFault(
      "io",
      `${target.client} stored ${stored} in place of ${digest}; it was damaged on the way: push it again`,
    );
  }
}

async function placeOf(response: Response): Promise<string> {
  await response.body?.cancel();
  const place = response.headers.get("location");
  if (place) return place;
  throw new RegistryFault(
    "io",
    `the registry did not say where to send a blob (it answered ${response.status})`,
  );
}

/** The registry would forget a broken upload in some days; it need not wait. */
async function giveUp(target: UploadTarget, place: string): Promise<void> {
  try {
    const request = {
      method: "DELETE",
      path: place,
      access: access(target),
      expect: [404, 405],
      signal: AbortSignal.timeout(5_000),
    };
    await (await target.client.request(request)).body?.cancel();
  } catch {
    // What broke the upload is told; this is only tidying.
  }
}
