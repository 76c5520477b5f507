/**
 * The bare side of measurements of buckets: a client of the SDK as anybody would make it, at the server of the tests.
 *
 * @module
 */
import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { S3Client } from "../deps/aws_s3.ts";

/** How many connections both sides hold at most: the default of `s3Client()`. */
const SOCKETS = { maxSockets: 64, keepAlive: true };

/** Where the server is, and who asks. */
export function serverOfTests(): {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
} {
  const [endpoint = "", accessKeyId = "", secretAccessKey = ""] = [
    "S3_ENDPOINT",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
  ].map((name) => Deno.env.get(name));
  if (!endpoint) throw new Error('no server: eval "$(.ci/services/s3.sh)"');
  return { endpoint, credentials: { accessKeyId, secretAccessKey } };
}

/** The SDK's own client, with nothing of ours in it. */
export function bareClient(): S3Client {
  return new S3Client({
    ...serverOfTests(),
    region: "us-east-1",
    forcePathStyle: true,
    // As ours: checksums beside the signature would be work for this side alone.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { httpAgent: new Agent(SOCKETS), httpsAgent: new SecureAgent(SOCKETS) },
  });
}
