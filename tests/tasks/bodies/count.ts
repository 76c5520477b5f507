/** A body that reads all that comes, publishes something for each, and leaves a mark that no other run leaves. */
import type { BodyContext } from "../../../mod.ts";
import type { countLinks } from "./links.ts";

export default async function (
  { chapters, words, pages, marks, sums }: BodyContext<ReturnType<typeof countLinks>>,
): Promise<void> {
  let count = 0;
  for await (const chapter of chapters) {
    const text = await chapter.text();
    const word = await words.text("word");
    await pages.write(text, `${word} ${text}`);
    count++;
  }
  await marks.write(crypto.randomUUID());
  await sums.write({ chapters: count });
}
