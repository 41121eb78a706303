"""Tests of the files in deploy/, run or read by the programs that they are for."""
