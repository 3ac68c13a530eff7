"""A street that is rendered instead of recorded: images, exact depth, labels, LiDAR and poses.

`synthetic_drive.SyntheticDrive` is the way in, `kitti_writer.write_kitti_drive` the way to disk. To
read on:

- what street it is: `street` (course and cross-section), `style`, `scene` (what stands there),
  `traffic` (what drives there), `trajectory` (how the camera moves);
- how things are built of the bodies of `solids` and the surfaces of `materials`: `houses`,
  `vehicles`, `lorries`, `plants`, `furniture`, `structures` (of large roads);
- what a sensor's `rays` meet: `casting` with `intersection` and `cutouts`, `ground`, `surface`;
- what that looks like: `patterns` with `pattern_*`, `lettering`, `paving`, `noise`, and in the
  light of day `light`, `shadows`, `occlusion`, `shading`;
- what sensors make of it: `imaging`, `lidar`, `oxts_packets`.
"""
