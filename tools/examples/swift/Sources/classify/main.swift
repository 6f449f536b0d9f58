import E3
print(try! Model(contentsOf: CommandLine.arguments[1]).classCount)
