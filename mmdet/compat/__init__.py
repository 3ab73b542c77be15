"""What came before this project and stands beside it: configs of 2019, checkpoints of other codebases."""
