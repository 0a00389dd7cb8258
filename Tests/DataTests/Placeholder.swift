// Tests of this area.
