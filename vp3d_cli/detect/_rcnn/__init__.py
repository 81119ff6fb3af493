"""Keypoint R-CNN R-101 with a feature pyramid, equal to Detectron2's to the last bit.

The network of Mask R-CNN (He et al., ICCV 2017, section 5) as in Detectron2's model zoo, on
PyTorch and torchvision's operators. Modules carry the names of that zoo's files, so that a state
dict loads as it is. What differs from torchvision's own Keypoint R-CNN is said where it happens.
"""
