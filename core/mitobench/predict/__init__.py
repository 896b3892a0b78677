"""Segmenting images that have no reference: reading, tiling, stitching, measuring, writing."""
