/**
 * What it means that an image cannot be pulled: a mistake in the task, or a registry that does not answer.
 *
 * @module
 */
import { pullFault } from "../pull_fault.ts";

/** Why an image is not there. */
export interface ImageFault {
  /** What is wrong, and what to do. */
  readonly reason: string;
  /** Whether it may pass. */
  readonly passing: boolean;
}

/** The parts of a message that tell, without what stands before and repeats itself. */
function shortened(message: string): string {
  const parts = message.split(/failed to pull and unpack image|failed to resolve reference/);
  return parts.at(-1)!.replace(/^\s*"[^"]*":\s*/, "").trim() || message;
}

/**
 * Reads what a node says of an image.
 *
 * @param image The image.
 * @param reason The reason: `ErrImagePull`.
 * @param message The message.
 * @returns What is wrong.
 */
export function imageFault(image: string, reason: string, message = ""): ImageFault {
  const said = shortened(message);
  if (reason === "InvalidImageName") {
    return { reason: `the name of the image ${image} is not valid (${said})`, passing: false };
  }
  if (reason === "ErrImageNeverPull") {
    return {
      reason:
        `the node does not have the image ${image}, and it is never to be pulled; bring it there, or change the pull policy`,
      passing: false,
    };
  }
  switch (pullFault(image, said)) {
    case "denied":
      return {
        reason:
          `the image ${image} may not be pulled (${said}); check the name, or give the executor imagePullSecrets`,
        passing: false,
      };
    case "missing":
      return {
        reason: `the image ${image} does not exist (${said}); check its name and tag`,
        passing: false,
      };
    case "unreachable":
      return {
        reason:
          `the image ${image} cannot be pulled (${said}); see that its registry can be reached from the nodes`,
        passing: true,
      };
  }
}
