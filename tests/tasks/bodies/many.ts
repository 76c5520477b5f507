/** A body that uses links to many values. */
import type { BodyContext } from "../../../mod.ts";
import type { manyLinks } from "./links.ts";

export default async function (
  { words, chapters, pages, sums }: BodyContext<ReturnType<typeof manyLinks>>,
): Promise<void> {
  const keys = (await Array.fromAsync(words.keys())).sort();
  const read: string[] = [];
  // Twice: each time from the first item on.
  for (let round = 0; round < 2; round++) {
    for await (const chapter of chapters) read.push(await chapter.text());
  }
  const published: string[] = [];
  for (const name of ["a", "b"]) published.push(await pages.write(name, `page ${name}`));
  await sums.write({
    keys,
    word: await words.get("one"),
    none: await words.find("two"),
    read: read.sort(),
    published,
  });
}
