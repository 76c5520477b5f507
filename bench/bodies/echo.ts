/** The bodies of bench/workers.ts: a small value, and one of any size, copied. */
import type { BodyContext } from "../../mod.ts";
import type { links } from "../workers.ts";

export default async function ({ from, to }: BodyContext<ReturnType<typeof links>>): Promise<void> {
  if (from.key.startsWith("small")) await to.write(await from.bytes());
  else await (await from.stream()).pipeTo(to.create());
}
