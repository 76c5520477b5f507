/**
 * What it means that an image could not be pulled, from what registries, engines and nodes say.
 *
 * @module
 */

/** Who asks may not see the image, it does not exist, or the registry was not reached. */
export type PullFault = "denied" | "missing" | "unreachable";

const DENIED = /denied|unauthorized|authentication|authorization|forbidden|no basic auth|\b40[13]\b/i;
const MISSING = /not found|manifest unknown|does not exist|name unknown|repository name not known/i;
/** A name that leads to no host is "not found" in another sense. */
const NO_HOST = /no such host|lookup|dial/i;

/**
 * Reads a message about a pull.
 *
 * @param image The image. Its name may hold any number or word, so nothing is read out of it.
 * @param message What was said.
 * @returns What it means.
 */
export function pullFault(image: string, message: string): PullFault {
  const repository = image.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
  const said = message.replaceAll(/"[^"]*\/[^"]*"/g, "").replaceAll(image, "").replaceAll(repository, "");
  // First: who may not see an image is told, too, that it may not exist.
  if (DENIED.test(said)) return "denied";
  return MISSING.test(said) && !NO_HOST.test(said) ? "missing" : "unreachable";
}
