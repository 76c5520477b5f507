/**
 * Tokens: which attempt a request is of, and the proof that the agent of this state folder has let it in.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Attempt } from "../core/attempt.ts";
import { decodeText, encodeText } from "../core/bytes.ts";

/** The longest token that is looked at. */
const LONGEST = 1024;

/** What is signed, so that no other use of the secret makes a token. */
const PURPOSE = "datatask agent token 1\0";

/** Says which attempt, as a text that no other attempt has. */
export function attemptName({ task, job, replica, attempt }: Attempt): string {
  return `${task}/${job}/${replica}/${attempt}`;
}

function sign(secret: Uint8Array, name: string): Uint8Array {
  return createHmac("sha256", secret).update(PURPOSE).update(name).digest();
}

/**
 * Makes the token of an attempt. The same for the same secret.
 *
 * @param secret The secret of the state folder.
 * @param attempt Which.
 * @returns The token.
 */
export function makeToken(secret: Uint8Array, attempt: Attempt): string {
  const name = attemptName(attempt);
  return `${base64url(encodeText(name))}.${base64url(sign(secret, name))}`;
}

/**
 * Reads the token of a request.
 *
 * @param secret The secret of the state folder.
 * @param header The header `Authorization`.
 * @returns The name of the attempt, or nothing when the token is not ours.
 */
export function readToken(secret: Uint8Array, header: string | undefined): string | undefined {
  if (header === undefined || header.length > LONGEST) return undefined;
  const match = /^Bearer ([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/i.exec(header);
  if (!match) return undefined;
  let name: string;
  let proof: Uint8Array;
  try {
    name = decodeText(Uint8Array.fromBase64(match[1]!, { alphabet: "base64url" }));
    proof = Uint8Array.fromBase64(match[2]!, { alphabet: "base64url" });
  } catch {
    return undefined;
  }
  return timingSafeEqual(proof, sign(secret, name)) ? name : undefined;
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
