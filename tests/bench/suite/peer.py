"""MediaPipe's pose solution on a clip; run by the Python of an environment of its own.

python tests/bench/suite/peer.py CLIP COMPLEXITY
"""

import json
import resource
import sys
import time


def _cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(clip, complexity):
    import cv2
    import mediapipe

    video = cv2.VideoCapture(clip)
    frames = seen = 0
    with mediapipe.solutions.pose.Pose(model_complexity=complexity) as pose:
        started, cpu_s = time.perf_counter(), _cpu_s()
        while True:
            read, image = video.read()
            if not read:
                break
            found = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            seen += found.pose_landmarks is not None and found.pose_world_landmarks is not None
            frames += 1
        took = {"work_s": time.perf_counter() - started, "cpu_s": _cpu_s() - cpu_s}
    print(json.dumps({"frames": frames, "seen": seen, **took}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
