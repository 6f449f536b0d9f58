/// What `--help` prints.
var helpText: StaticString {
  """
  Classify camera frames with an E3 model, with uncertainty.

  usage: e3-run MODEL.e3 FRAME... [options]
         e3-run MODEL.e3 --tensor IN.npy [options]
         e3-run MODEL.e3 FRAME... --teach LABEL --classes FILE.e3c [options]
         e3-run MODEL.e3 --forget LABEL --classes FILE.e3c
         e3-run MODEL.e3 --self-test | --verify [options]
         e3-run --list-cameras [NODE...]

  FRAME is a picture (JPEG, PNG, PNM), a camera (/dev/video0) or, with --pixel-format, a file of raw frames; - is
  standard input.

    --json                one JSON object per frame on a line
    --top K               classes to show (5; 1 for cameras and raw frames, which get one line each)
    --threads N           threads that compute, 1 to 64 (1), or auto: one for each processor; all give the same answer
    --isa NAME            kernels to use: scalar, avx2, avxvnni, avx512vnni, neon, dotprod, i8mm (the fastest)
    --pixel-format NAME   read raw frames: rgb24, bgr24, bgrx32, rgbx32, xrgb32, xbgr32, gray8, gray10, gray12, gray16,
                          yuyv, uyvy, yvyu, nv12, nv21, nv16, i420, yv12; or mjpeg, JPEG pictures one after the other;
                          or y4m (yuv4mpegpipe), whose header says everything
    --size WxH            pixels of a raw frame, or of all pictures of mjpeg; a camera is asked for this format and
                          size. The width is even where U and V are shared (yuyv, uyvy, yvyu, nv16), width and height with
                          nv12, nv21, i420 and yv12
    --stride BYTES        from one line of a raw frame to the next (lines are adjacent); of i420 and yv12 that of Y, and
                          half of it for U and V
    --chroma-stride BYTES from one line of U and V to the next, where it is not in that proportion
    --plane-height LINES  lines that are stored of the first plane (those of the picture); the others in proportion
    --color-range NAME    of raw frames: full (0 to 255) or limited (16 to 235) (limited for formats with U and V)
    --color-matrix NAME   of U and V: bt601, bt709 or bt2020 (bt709 for frames of 720 lines and more, else bt601)
    --crop X,Y,W,H        classify this rectangle of the frame; up to 16 times: an answer for each, in this order
    --rotate DEGREES      then turn it clockwise: 90, 180 or 270
    --flip WAY            then mirror it: horizontal (left and right change places) or vertical
    --alpha WAY           what transparent pixels show: a white or black ground, or ignore: their own colour (white)
    --max-pixels N        of a picture; more are refused (67108864)
    --max-scans N         of a progressive JPEG; more are refused (100)
    --max-text BYTES      of a text in a PNG, once decompressed, that are searched for the orientation (1048576)
    --max-work N          multiply-accumulates of a frame, as 500G, counted from the model's sizes; a model of more is
                          refused (65536 for each byte of its file, at least 40G)
    --max-arena BYTES     memory that a model needs beside its file, as 400M (128M and 4 bytes for each byte of its file)
    --list-cameras        show the cameras (or what the NODEs are), their pixel formats and sizes
    --control NAME=NUMBER set a control of the camera, as exposure or white balance; an unknown NAME lists them all
    --reconnect           wait for a camera that is not there, in use, or gone, and go on when it is there
    --smooth N            decide over the last N frames, up to 100: unknown when at least half of them are, else by the
                          mean probabilities of the others. Text shows this decision first, --json beside the frame's own;
                          not together with --classes
    --save KINDS DIR      keep frames with these decisions (accept, unsure, unknown, with commas between) in the folder,
                          as they came, each with a JSON object beside it
    --save-limit FRAMES,MIB,SECONDS
                          the most that are kept, the oldest go first; and the least time between two of a stream
                          (1000,256,1)
    --metrics FILE        write counts, latencies and drift to FILE once a second, for Prometheus' node exporter
    --frames N            stop after N frames
    --fps N               take at most N frames a second; a camera then gives its newest, a pipe its next
    --tensor IN.npy       prepared images [N, height, width, channels], float32 in the model's value range; bytes are
                          pixels and go through the model's preprocessing
    --deadline MS         give up a frame that has no answer MS milliseconds after the scene
    --load HOW            the model file: map (pages are read when they are needed), lock (all at once, and stay), copy
                          (into memory: the file may then be written over) (map)
    --resident BYTES      for a model that is larger than the memory: lock so much of it in memory, as 400M, and read the
                          experts that are not among it from the file or block device when a token has chosen them
    --early               of a deep ensemble: leave the later networks out where the answer of the first ones is as sure
                          as the file asks for (e3-convert calibrate --early); the answer says how many networks gave it
    --watch-model         let a model file that is renamed into the place of MODEL.e3 take over between two frames, once
                          it is verified and passes its self-test; else the old one stays (--load copy)
    --trust KEY.pub       take only a model that is signed by this key of minisign's, in MODEL.e3.minisig
    --classes FILE.e3c    compare frames with the learned classes of this file, which one of them may be the answer to
    --teach LABEL         learn a class from the next frames instead of answering them, and write --classes FILE, which
                          is begun when it is not there. Pictures from several sides: with a camera take --fps 0.5
    --shots N             pictures that --teach takes (5); with fewer than 3 an answer is at most unsure
    --forget LABEL        take a class out of --classes FILE; --teach can then begin it anew
    --self-test           verify, then compare the answer to the model's golden input, bit for bit
    --verify              compare every byte of the model with its checksums, which a plain run does not
    --help, --version

  SIGINT and SIGTERM end the run after the frame at hand. Lines about broken frames are at most one a second after the
  first twenty, and say how many were left out. A service manager (NOTIFY_SOCKET, WATCHDOG_USEC) is told when frames are
  taken and that the run is alive.

  Exit status: 0 when every frame until the end or the signal was answered, 1 when something was wrong (one line on
  standard error each), 2 for a mistake on the command line. Damaged frames of a camera are reported and skipped. A run
  that ends by itself without an answer has status 1, and so has one whose mapped model file is written to meanwhile.

  """
}
