"""Many commands in few transactions: what a line may ask for, how it is read, how it is done."""
