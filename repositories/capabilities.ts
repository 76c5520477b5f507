/**
 * What a driver over another one can do.
 *
 * @module
 */
import type { Capabilities, KeyDriver } from "./driver.ts";

/**
 * What the driver beneath can do, except where the one over it differs. Whether conditions are honored is asked each time: some stores are
 * known only once they are prepared.
 *
 * @param inner The driver beneath.
 * @param changes Where the driver over it differs.
 * @returns What the driver over it can do.
 */
export function capabilitiesOver(inner: KeyDriver, changes: Partial<Capabilities>): Capabilities {
  return {
    ...inner.supports,
    get conditional() {
      return inner.supports.conditional;
    },
    ...changes,
  };
}
