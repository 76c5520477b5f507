/**
 * Thumbnails: folders of images to folders of small images to archives, with the tools that are on any machine.
 *
 *     deno run -A cli.ts run -p examples/thumbnails/pipeline.ts
 *
 * Each album is one job, and a folder is one value: it appears whole, or not at all.
 *
 * @module
 */
import {
  DirectoryRepository,
  FileRepository,
  input,
  main,
  output,
  Pipeline,
  processTask,
  sh,
  YamlMetadataRepository,
} from "../../mod.ts";

const here = `${import.meta.dirname ?? Deno.cwd()}/`;
const out = Deno.env.get("THUMBNAILS_OUT") ?? `${here}out`;
const scale = 2;

const albums = new DirectoryRepository(`${here}albums`);
const thumbnails = new DirectoryRepository(`${out}/thumbnails`);
const archives = new FileRepository(`${out}/archives`, { extension: ".tar.gz" });

/** Every second pixel of every second row of a plain PPM image. */
const shrinkImage = sh.raw(String.raw`awk -v s="$scale" '
  NR == 2 { w = $1; h = $2; print int((w + s - 1) / s), int((h + s - 1) / s); next }
  NR <= 3 { print; next }
  { y = NR - 4; if (y % s) next; for (x = 0; x < w; x += s) printf "%s %s %s  ", $(3*x+1), $(3*x+2), $(3*x+3); print "" }'`);

const shrink = processTask("shrink", {
  done: YamlMetadataRepository.files(`${out}/results/shrink`),
  description: "Makes small images of all images of an album",
  links: { album: input(albums), small: output(thumbnails) },
  quota: { cpu: 1 },
  timeout: "1m",
  script: ({ job, album, small }) =>
    sh`
      set -eu
      scale=${scale}
      mkdir -p ${small}
      cd ${album}
      for image in *.ppm; do
        ${shrinkImage} < "$image" > ${small}/"$image"
      done
      echo ${job}: "$(ls | wc -l)" images`,
});

const pack = processTask("pack", {
  done: YamlMetadataRepository.files(`${out}/results/pack`),
  description: "Packs the small images of an album",
  links: { small: input(thumbnails) },
  stdout: archives,
  script: ({ small }) => sh`set -e; cd ${small}; tar -cf - . | gzip -n`,
});

const pipeline = new Pipeline({ name: "thumbnails", tasks: [shrink, pack], state: `${out}/.datatask` });
export default pipeline;
if (import.meta.main) await main(pipeline);
