"""Every key of a config with its default, its meaning and its unit."""

from yacs.config import CfgNode

from fidip.skeleton import COCO17

_C = CfgNode()

# --- where things are -------------------------------------------------------------------------------
_C.OUTPUT_DIR = "output"  # run folders are made here; --modelDir
_C.LOG_DIR = "log"  # tensorboard event files; --logDir
_C.DATA_DIR = ""  # put in front of relative data and weight paths; --dataDir
_C.SEED = 0  # every random number derives from it
_C.DEVICE = "auto"  # auto | cpu | cuda | cuda:N | mps
_C.PRECISION = "fp32"  # fp32 | bf16 | fp16, arithmetic of the forward pass
_C.WORKERS = 2  # processes that read pictures; 0: the main process reads
_C.PIN_MEMORY = True  # page-locked batches, faster copies to cuda; ignored elsewhere
_C.PRINT_FREQ = 20  # steps between progress lines and logged scalars
_C.AUTO_RESUME = True  # go on from the checkpoint of the same run folder

_C.CUDNN = CfgNode()
_C.CUDNN.BENCHMARK = True  # let cuDNN try algorithms; faster, not bit-reproducible
_C.CUDNN.DETERMINISTIC = False  # only deterministic algorithms, on every device
_C.CUDNN.ENABLED = True  # use cuDNN at all

# --- network ----------------------------------------------------------------------------------------
_C.MODEL = CfgNode()
_C.MODEL.NAME = "pose_hrnet"  # [adaptive_]pose_{hrnet,resnet,mobile,movenet,timm}
_C.MODEL.PRETRAINED = ""  # start weights: a file, or packaged ones (fidip weights); every key must match
_C.MODEL.PRETRAINED_TRUNK = ""  # "imagenet" (downloaded) or a file; only the trunk must match
_C.MODEL.NUM_JOINTS = 0  # heatmaps; 0: as many as DATASET.SKELETON has, any other number must equal it
_C.MODEL.IMAGE_SIZE = [288, 384]  # crop, width x height, px
_C.MODEL.HEATMAP_SIZE = [72, 96]  # width x height, px; IMAGE_SIZE / 4
_C.MODEL.SIGMA = 3.0  # of the target Gaussian, heatmap px
_C.MODEL.CLASSIFIER = "auto"  # domain classifier; auto: the one that goes with MODEL.NAME
_C.MODEL.EXTRA = CfgNode(new_allowed=True)  # what only this kind of net has, see fidip.models

# --- data -------------------------------------------------------------------------------------------
_C.DATASET = CfgNode()
_C.DATASET.ROOT = ""  # holds annotations/person_keypoints_<split>.json and images/<split>/
_C.DATASET.TRAIN_SET = []  # splits to join: name (under ROOT), root/name, or a path to a .json
_C.DATASET.TRAIN_PRE_SET = []  # the same for pre-training the domain classifier
_C.DATASET.VAL_SET = ""  # chooses the best model during training; empty: the last one is the result
_C.DATASET.TEST_SET = ""  # split that is tested
_C.DATASET.DOMAIN = "all"  # all | real | synthetic: the part of TRAIN_SET that is used
_C.DATASET.REAL_COUNT = 0  # real pictures of TRAIN_SET that are used, drawn by SEED; 0: all
_C.DATASET.SECOND_DOMAIN = []  # splits that count as synthetic as a whole, e.g. adults
_C.DATASET.SKELETON = COCO17.name  # joint set of the annotations: coco17, or a YAML file (docs/own-data.md)
_C.DATASET.SAMPLER = "shuffle"  # shuffle | balanced (as many real as synthetic a batch)
_C.DATASET.COLOR_RGB = True  # False: the net sees BGR, as the oldest published ResNet does
_C.DATASET.EXIF = False  # turn pictures by their EXIF flag; labels of SyRIP and COCO do not
_C.DATASET.SKIP_BAD = False  # leave faulty records out with a warning; False: stop and name them
_C.DATASET.FLIP = True  # mirror half of the training crops
_C.DATASET.SCALE_FACTOR = 0.35  # training scale is 1 + N(0,1) * this, clipped to 1 -+ this
_C.DATASET.ROT_FACTOR = 45.0  # degrees; see ROT_MODE
_C.DATASET.ROT_MODE = "normal"  # normal: N(0,1) * ROT_FACTOR clipped to 2x; uniform: +-ROT_FACTOR
_C.DATASET.ROT_PROB = 0.6  # share of training crops that are turned
_C.DATASET.PROB_HALF_BODY = 0.0  # share of crops around the upper or lower body only
_C.DATASET.NUM_JOINTS_HALF_BODY = 8  # only persons with more visible joints than this

# --- appearance of training crops; everything is off by default, as in the published training ----------
_C.AUGMENT = CfgNode()
_C.AUGMENT.PROB = 0.5  # share of the crops to which each of BRIGHTNESS .. JPEG is applied, independently
_C.AUGMENT.BRIGHTNESS = 0.0  # the factor is drawn from 1 -+ this
_C.AUGMENT.CONTRAST = 0.0  # the same
_C.AUGMENT.SATURATION = 0.0  # the same
_C.AUGMENT.HUE = 0.0  # largest shift, as a share of the colour circle, at most 0.5
_C.AUGMENT.GREY = 0.0  # share of the crops that lose their colour
_C.AUGMENT.BLUR = 0.0  # largest standard deviation of a Gaussian blur, crop px
_C.AUGMENT.NOISE = 0.0  # largest standard deviation of pixel noise, grey levels of 0..255
_C.AUGMENT.JPEG = 0  # lowest JPEG quality, 1..100; 0: no compression
_C.AUGMENT.ERASE = 0.0  # share of the crops in which patches are erased
_C.AUGMENT.ERASE_COUNT = 3  # largest number of erased patches in a crop
_C.AUGMENT.ERASE_SIZE = 0.25  # longest side of an erased patch, as a share of the crop's side

# --- losses -----------------------------------------------------------------------------------------
_C.LOSS = CfgNode()
_C.LOSS.KIND = "mse"  # mse (published) | cross_entropy, for networks whose heatmaps sum to 1 (pose_mobile)
_C.LOSS.USE_OHKM = False  # only the TOPK hardest joints of each sample
_C.LOSS.TOPK = 8  # joints
_C.LOSS.USE_TARGET_WEIGHT = True  # joints that are not labelled count nothing
_C.LOSS.USE_DIFFERENT_JOINTS_WEIGHT = False  # weight joints by JOINTS_WEIGHT
_C.LOSS.JOINTS_WEIGHT = [1.0] * 7 + [1.2, 1.2, 1.5, 1.5, 1.0, 1.0, 1.2, 1.2, 1.5, 1.5]  # one a joint
_C.LOSS.REAL_WEIGHT = 1.0  # pose loss of real samples times this, the paper's S(I)
_C.LOSS.SYNTHETIC_WEIGHT = 1.0  # the same for synthetic samples

# --- adaptation -------------------------------------------------------------------------------------
_C.ADAPT = CfgNode()
_C.ADAPT.METHOD = ""  # none | grl (FiDIP) | cdan | mmd | coral | mean_teacher; empty: grl for adaptive_* nets
_C.ADAPT.LAMBDA_SCHEDULE = "constant"  # constant | warmup: TRAIN.LAMBDA is reached gradually
_C.ADAPT.TEACHER_DECAY = 0.99  # mean_teacher: decay a step of the teacher's weights, reached gradually

# --- distillation: learning from the heatmaps of a larger network ---------------------------------------
_C.DISTILL = CfgNode()
_C.DISTILL.TEACHER = ""  # weights of the teacher: a file, or packaged ones; empty: no distillation
_C.DISTILL.CONFIG = ""  # config of the teacher
_C.DISTILL.FACTOR = 1.0  # factor on the distillation loss

# --- training ---------------------------------------------------------------------------------------
_C.TRAIN = CfgNode()
_C.TRAIN.OPTIMIZER = "adam"  # adam | adamw | sgd
_C.TRAIN.LR = 1e-3  # learning rate of the pose net
_C.TRAIN.CLASSIFIER_LR = 0.0  # learning rate of the domain classifier; 0: the same as LR
_C.TRAIN.SCHEDULE = "step"  # step (LR_STEP, LR_FACTOR) | cosine (to 0 at the end)
_C.TRAIN.LR_STEP = [90, 110]  # epochs after which the rate is multiplied by LR_FACTOR
_C.TRAIN.LR_FACTOR = 0.1
_C.TRAIN.WARMUP_STEPS = 0  # steps of linear rise of the learning rate
_C.TRAIN.WD = 0.0  # weight decay: added to the gradient (adam, sgd), decoupled (adamw)
_C.TRAIN.MOMENTUM = 0.9  # sgd
_C.TRAIN.NESTEROV = False  # sgd
_C.TRAIN.PRE_EPOCH = 0  # epochs that train the domain classifier alone on TRAIN_PRE_SET
_C.TRAIN.END_EPOCH = 100  # epochs on TRAIN_SET
_C.TRAIN.END_STEP = 0  # optimiser steps on TRAIN_SET, in place of END_EPOCH; 0: END_EPOCH counts
_C.TRAIN.LAMBDA = 5e-4  # strength of adaptation: factor of the reversed gradient, or of the second loss
_C.TRAIN.PRE_BATCH_SIZE_PER_GPU = 128  # samples per process in classifier pre-training
_C.TRAIN.BATCH_SIZE_PER_GPU = 64  # samples per process
_C.TRAIN.ACCUMULATE = 1  # batches per optimiser step
_C.TRAIN.SHUFFLE = True  # new order each epoch
_C.TRAIN.FREEZE = []  # module names, or a preset of the net: res1-3, res1-4, transition2
_C.TRAIN.EMA = 0.0  # decay a step of the running mean of the weights, reached gradually; 0: none
_C.TRAIN.BLEND = 0.0  # share of the start weights in the result: result = this * start + (1 - this) * trained
_C.TRAIN.CLIP_GRAD = 0.0  # largest gradient norm; 0: no clipping
_C.TRAIN.VAL_EVERY = 1  # epochs between validations
_C.TRAIN.CHECKPOINT_EVERY = 0  # steps between checkpoints inside an epoch; 0: at the end of epochs only

# --- testing ----------------------------------------------------------------------------------------
_C.TEST = CfgNode()
_C.TEST.MODEL_FILE = ""  # checkpoint to test; empty: the best (else last) one of the run folder
_C.TEST.BATCH_SIZE_PER_GPU = 16  # crops
_C.TEST.FLIP_TEST = True  # average with the heatmaps of the mirrored crop
_C.TEST.POST_PROCESS = True  # DARK sub-pixel decoding; False: plain maximum
_C.TEST.BLUR_KERNEL = 11  # width of the smoothing before decoding, heatmap px, odd
_C.TEST.USE_GT_BBOX = True  # boxes of the annotations; False: of COCO_BBOX_FILE
_C.TEST.COCO_BBOX_FILE = ""  # detections, COCO results JSON with bbox and score
_C.TEST.IMAGE_THRE = 0.0  # least score of a detection
_C.TEST.NMS_THRE = 1.0  # IoU above which the weaker of two detections is dropped; 1: none is
_C.TEST.SOFT_NMS = False  # Gaussian OKS rescoring instead of dropping
_C.TEST.OKS_THRE = 0.9  # OKS above which the weaker of two poses is dropped
_C.TEST.IN_VIS_THRE = 0.2  # joints with a lower maximum do not count in a pose's score
_C.TEST.AREA = "annotation"  # area in OKS: annotation | bbox (w*h) | keypoints; SyRIP's areas are faulty
_C.TEST.PICTURES = 12  # best and worst predictions that are drawn, each; 0: no pictures
_C.TEST.BOOTSTRAP = 1000  # resamples of the pictures behind the 95 % intervals; 0: no intervals
_C.TEST.DOMAIN_GAP = ""  # split whose features are compared with those of TEST_SET; empty: none are
_C.TEST.SAVE_FEATURES = ""  # file (.npy) that receives the features of every crop; --save-features

# --- pictures of training batches -------------------------------------------------------------------
_C.DEBUG = CfgNode()
_C.DEBUG.DEBUG = False  # write picture grids during training
_C.DEBUG.EVERY = 200  # steps between grids
_C.DEBUG.SAVE_BATCH_IMAGES_GT = True  # crops with labelled joints
_C.DEBUG.SAVE_BATCH_IMAGES_PRED = True  # crops with predicted joints
_C.DEBUG.SAVE_HEATMAPS_GT = True  # target heatmaps
_C.DEBUG.SAVE_HEATMAPS_PRED = True  # predicted heatmaps


def defaults() -> CfgNode:
    """A fresh copy of all defaults."""
    return _C.clone()
