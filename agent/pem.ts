/**
 * Certificates and keys in PEM.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { DatataskError, describeError } from "../core/errors.ts";
import type { AgentTls } from "../tasks/agent_options.ts";

/**
 * Reads a text in PEM.
 *
 * @param given The text, or the path of a file that holds it.
 * @param what What it is, for the error.
 * @returns The text.
 * @throws {DatataskError} When it is no PEM.
 */
export async function readPem(given: string, what: keyof AgentTls): Promise<string> {
  let text = given;
  if (!given.includes("-----BEGIN ")) {
    try {
      text = await Deno.readTextFile(given);
    } catch (error) {
      throw badTls(`cannot read agent.tls.${what} from ${given}: ${describeError(error)}`, error);
    }
  }
  const wanted = what === "key" ? /-----BEGIN [A-Z ]*PRIVATE KEY-----/ : /-----BEGIN CERTIFICATE-----/;
  if (wanted.test(text)) return text;
  throw badTls(
    `agent.tls.${what}${text === given ? "" : ` in ${given}`} holds no ${
      what === "key" ? "private key" : "certificate"
    } in PEM`,
  );
}

/**
 * Sees that a certificate and its key can be used: the server would find out with the first client only.
 *
 * @param certificate The certificate, in PEM.
 * @param key Its key, in PEM.
 * @throws {DatataskError} When they cannot.
 */
export function checkPair(certificate: string, key: string): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw badTls(`the certificate and its key cannot be used: ${describeError(error)}`, error);
  }
  if (!fits) throw badTls("agent.tls.key is not the key of agent.tls.certificate");
}

function badTls(why: string, cause?: unknown): DatataskError {
  return new DatataskError("resource-failed", `Cannot start the agent: ${why}`, {
    operation: "start the agent",
    cause,
  });
}
