"""What stands in deploy/, run or read by the programs that it is for."""
