"""What the commands say of themselves in ``--help``."""

PROGRAM = """\
Learn what good parts look like, and find what differs.

  skuad demo                                       see it work on real textures
  skuad fit good/ --out line3.joblib               learn from good parts
  skuad infer line3.joblib new/ --out result/      find defects in new images
  skuad benchmark mvtec_ad ROOT --category bottle --out result/
  skuad report result/                             all of it on one page
"""

PROGRAM_END = """\
exit codes: 0, all went well; 1, single images failed and all others are done,
or `skuad doctor` or `skuad weights check` found a fault; 2, an error; 130,
interrupted.

`skuad COMMAND --help` tells all about a command.
"""

FIT = """\
Learn from images of good parts and write the fitted estimator to a file.

The threshold is set so that --false-alarm-rate of good images would be
flagged, by scores of training images that were held out. In Python,
joblib.load(FILE) gives the scikit-learn estimator itself.

  skuad fit good/ --out line3.joblib
  skuad fit good/ --out line3.joblib --preprocess gray-world --tile-size 512
  skuad fit good/ --out line3.joblib --detector PaDiM --set n_features=60
"""

INFER = """\
Find defects in images. --out then holds

  predictions.jsonl   one line of JSON per image:
                        path
                        score      the anomaly score: high is anomalous
                        threshold  null if the detector has none
                        decision   "anomalous" above the threshold or "good";
                                   null without one
                        p_value    if the detector has p-values
                        regions    of the map above the threshold, the highest
                                   50: area in pixels, box (y0, x0, y1, x1 with
                                   exclusive ends), peak, peak_at (y, x), mean;
                                   null without a threshold
                        error      of an image that failed: why
  predictions.csv     with --csv: the same as a table
  overlays/           PNG pictures: the image, and its anomaly map as heat.
                      Pixels above the threshold are outlined
  maps/               with --maps: float32 anomaly maps (H, W), .npy or .tiff

An image that cannot be read is reported, the others go on, and the exit code
is 1. FILE must come from someone you trust: loading it can run any code.

  skuad infer line3.joblib new/ 'more/*.png' --out result/
  skuad infer line3.joblib new/ --out result/ --resume
  skuad infer line3.joblib new/ --out result/ --overlays anomalous
  skuad infer line3.joblib camera/ --out result/ --watch
"""

BENCHMARK = """\
Fit on the good training images of a data set, and score its test images. --out
then holds

  results.json        metrics, counts and settings
  predictions.jsonl   a line per test image, as of `skuad infer`
  overview.png        some of the pictures on one sheet
  overlays/           a picture of every test image: the true defect outlined in
                      cyan, the pixels above the threshold in white
  models/             the fitted detectors, for `skuad infer`
  categories/         what is known of the categories that are finished

After an interruption the same command runs what is left, with --n-jobs several
categories at once. An image that cannot be read is reported and left out, and
so is a category that fails; the exit code is 1 then.

DATASET is mvtec_ad (ROOT/CATEGORY/{train,test,ground_truth}; a folder of your
own that is laid out alike will do), another data set of `skuad datasets`, or
folder (ROOT with a folder of good images and others; see
skuad.datasets.load_image_folder). Without a training split, the last third of
the good images is held out for the test.

  skuad benchmark mvtec_ad data/mvtec --category bottle hazelnut --out result/
  skuad benchmark folder photos/ --out result/
"""

TUNE = """\
Try the values of parameters on a data set by cross-validation: detectors learn
from the good images of all folds but one and are measured on all images of
that one; of several categories the mean counts. The best combination then
learns from all good images. --out then holds tune.json and models/.

Each --grid gives the values of one parameter, named as in --set, or a JSON (or
YAML) file with an object of lists. Every fold of every combination is kept in
--cache as soon as it is done: the same command goes on where it was stopped.

The score of the best is a little too good, for it was chosen by that score:
measure it on images that were not used here.

  skuad tune mvtec_ad data/mvtec --category bottle --out tuned/ \\
      --grid n_neighbors=1,3,9 --grid coreset_ratio=0.05,0.2
  skuad tune folder photos/ --out tuned/ --grid grid.json --n-iter 20
"""

REPORT = """\
Write what `skuad benchmark` or `skuad demo` found as one HTML file that needs
nothing else: a table with intervals, curves, the worst misses and false
alarms, and a slider for the threshold that counts them anew.

The saved models score the test images once more, so these have to be where
they were. RESULT must come from someone you trust: loading a model can run any
code.

  skuad report result/
  skuad report result/ --out line3.html --title "Line 3, week 12"
"""

DEMO = """\
Make images of real textures with planted defects, fit on the good ones, and
score the others. Takes less than a minute; needs no network and no weights.
--out then holds

  overview.png        some of the pictures on one sheet
  overlays/           a picture of every test image: the true defect outlined in
                      cyan, the pixels above the threshold in white
  results.json, predictions.jsonl, models/
  images/             the images themselves, laid out like MVTec AD
"""

DATASETS = """\
List the data sets that skuad reads, or check a folder: how many images and
masks of which kind are there, and which masks are missing. No image is opened.

  skuad datasets
  skuad datasets mvtec_ad data/mvtec
  skuad datasets folder photos/
"""

DETECTORS = """\
List the detectors, or the parameters of one with their defaults, for --set.

  skuad detectors
  skuad detectors PatchKNN
"""

DOCTOR = """\
Say what is installed and what computes: versions, OpenCV packages that
overwrite each other, devices, threads, folders of weights and what is in them,
and how quick this machine is. The exit code is 1 if there is a fault.
"""

COMPLETION = """\
Print a script that completes commands and options in your shell.

  source <(skuad completion bash)        in ~/.bashrc
  source <(skuad completion zsh)         in ~/.zshrc, after compinit
"""

WEIGHTS = """\
Files of network weights on this machine. Nothing is ever downloaded: fetch a
file where there is a network, and add it here under the name of its model.

  skuad weights list
  skuad weights check                       read them, compare their SHA-256
  skuad weights add net.safetensors --name resnet18 --licence MIT

They lie in the folders of SKUAD_WEIGHTS and in the user's cache folder, with a
note of SHA-256 and licence beside each. check exits with 1 if a file has
changed.
"""
