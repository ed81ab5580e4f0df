"""`python -m nchw2nhwc` is `openvino2tf`."""

import sys

from nchw2nhwc.cli import main

sys.exit(main())
