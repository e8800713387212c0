"""What commands return and print: one type a resource. JSON, columns and schema follow from it."""
