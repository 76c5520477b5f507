/**
 * What is added to the client: checksums that old stores want, time for large bodies, reports of retries.
 *
 * @module
 */
import type {
  FinalizeRequestMiddleware,
  S3Client,
  ServiceInputTypes,
  ServiceOutputTypes,
} from "../../deps/aws_s3.ts";
import type { S3Retry } from "./client.ts";

/** A request on its way out, as far as it is touched here. */
interface Outgoing {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** The slowest line on which a large body still gets through, in bytes per second. */
const SLOWEST = 2 ** 16;

/**
 * Sends `Content-MD5` with deletions of many, in place of newer checksums: every store understands it, and many want nothing else.
 *
 * @param client To which client to add it.
 */
export function contentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const request = args.request as Outgoing;
      if (context.commandName === "DeleteObjectsCommand" && typeof request.body === "string") {
        const { createHash } = await import("node:crypto");
        for (const name of Object.keys(request.headers)) {
          if (/^x-amz-(checksum-|sdk-checksum-)/i.test(name)) delete request.headers[name];
        }
        request.headers["content-md5"] = createHash("md5").update(request.body).digest("base64");
      }
      return await next(args);
    },
    { step: "build", name: "datataskContentMd5", priority: "low" },
  );
}

/**
 * Gives requests with a large body more time than others.
 *
 * @param client To which client to add it.
 * @param timeout What others get, in milliseconds.
 */
export function bodyTimeouts(client: S3Client, timeout: number): void {
  const { requestHandler } = client.config;
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = (request, options) => {
    const { body } = request as Outgoing;
    const size = body instanceof Uint8Array ? body.byteLength : 0;
    return handle(
      request,
      size <= SLOWEST ? options : {
        ...options,
        requestTimeout: timeout + Math.ceil(size / SLOWEST) * 1000,
      },
    );
  };
}

/**
 * Tells of requests that are tried again.
 *
 * @param client To which client to add it.
 * @param onRetry Whom to tell.
 */
export function retryReports(client: S3Client, onRetry: (retry: S3Retry) => void): void {
  // Called once for each try: what is kept of the last failure is told when another try begins.
  const report: FinalizeRequestMiddleware<ServiceInputTypes, ServiceOutputTypes> =
    (next, context) => async (args) => {
      const tries = (context as { datatask?: { attempt: number; error?: unknown } }).datatask ??= {
        attempt: 0,
      };
      if (tries.attempt > 0) {
        const request = String(context.commandName ?? "").replace(/Command$/, "");
        onRetry({ request, attempt: tries.attempt, error: tries.error });
      }
      tries.attempt++;
      try {
        return await next(args);
      } catch (error) {
        tries.error = error;
        throw error;
      }
    };
  client.middlewareStack.addRelativeTo(report, {
    relation: "after",
    toMiddleware: "retryMiddleware",
    name: "datataskRetryReports",
  });
}
